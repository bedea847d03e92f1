"""The whole road of a debt: kiosk A, its slip as a phone reads it, head office, the signed list, the card at kiosk B.

Journals, signatures, the slip's picture, head office and its list are the real ones; card and acceptor are played.
"""

import queue

import cbor2
import pytest
import zxingcpp
from PIL import Image

from kiosk.app.lists import load_owed
from kiosk.app.slips import SlipPrinter
from kiosk.app.terminal import ROOT
from kiosk.billing.book import Price
from kiosk.billing.owed import owed_note
from kiosk.config import Terminal
from kiosk.devices.printer.host import PrinterState
from kiosk.devices.printer.raster import Faces
from kiosk.hq import vouchers
from kiosk.hq.app import Settings, create_app
from kiosk.hq.enrol import enrol
from kiosk.hq.keyring import create_signer
from kiosk.ledger.entry import encode
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.keys import make_key
from kiosk.ledger.note import Note, Signature
from kiosk.ledger.receipt import receipt_text
from kiosk.ledger.verify import finish, verify_journal
from kiosk.model.card import CardKind, CardReading, PurchaseState, Unit, Vendor
from kiosk.model.texts import load_texts
from kiosk.sale import events as on
from kiosk.sale.books import Memory
from kiosk.sale.lists import orders_of
from kiosk.sale.runner import Doors, Runner
from kiosk.sale.state import Done, Rules, State, Vouched

VENDOR = Vendor("0001", "RDK", "阿迪克", "RDK", Unit.ENERGY, True, ("420100",), 100, 500_000)
NOON = 1_795_491_600_000


class StillClock:
    def utc_ms(self):
        return NOON

    def monotonic_ms(self):
        return 0

    def civil(self):
        return "20261124114000"


class Paper:
    """A printer that always has paper; what it printed can be looked at."""

    def __init__(self):
        self.slips = queue.Queue()

    def status(self):
        return PrinterState.OK

    def print(self, picture):
        self.slips.put(picture)

    def close(self):
        pass


class Card:
    """The customer's card: lies in one slot, refuses to be written at the broken one."""

    def __init__(self):
        self.reading = CardReading(CardKind.PURCHASE, "420100", "10086", "70001", 7, PurchaseState.TAKEN)
        self.credited = []


class Kiosk:
    """One terminal with its journal; it is its own doors."""

    def __init__(self, folder, number, card, listed=(), broken=False):
        self.card, self.broken = card, broken
        (folder / "passphrase").write_text("never use in a real system")
        (folder / "passphrase").chmod(0o600)
        self.origin = f"power.example/kiosk/420100/{number}/1"
        self.signer = make_key(folder / f"{number}.pem", folder / "passphrase", self.origin)
        self.path, clock = folder / f"{number}.db", StillClock()
        self.journal = Journal.create(self.path, self.signer, self.origin, "", "new", clock)
        words = {language: load_texts(ROOT / "assets" / "text", "receipt", language) for language in ("zh-CN", "en")}
        faces = Faces(*(ROOT / "build" / "fonts" / f"NotoSansSC-{weight}.otf" for weight in ("Regular", "Bold")))
        names = ("示范电力", "Example Power", "一号楼", "Building 1", "95598")
        terminal = Terminal("power.example", "420100", number, *names, folder)
        self.paper, self.heard = Paper(), queue.Queue()
        self.slips = SlipPrinter(
            self.paper, faces, terminal, {"0001": VENDOR}, words, self.proof, clock, self.heard.put
        )
        doors = Doors(self.journal, self, self, self, self.slips, lambda view: None)
        state = State(Rules(terminal=number), {"0001": VENDOR}, listed=dict(listed))
        self.runner = Runner(state, doors, clock, Memory())
        self.slips.start()
        self.runner.begin()
        assert isinstance(self.heard.get(timeout=10), on.DeviceUp)
        self.say(*map(on.DeviceUp, ("reader", "acceptor", "printer")), on.AcceptorUp("none"))

    def proof(self, entry):
        return receipt_text(self.signer, encode(entry), self.journal.frontier(entry.seq))

    def say(self, *events):
        for event in events:
            self.runner.post(event)
            self.runner.drain()

    def slip(self):
        """A slip comes out; its picture, with the word of it told to the sale."""
        picture = self.paper.slips.get(timeout=20)
        self.say(self.heard.get(timeout=20))
        return picture

    # the doors
    def read(self, session):
        self.runner.post(on.CardRead(session, VENDOR, self.card.reading, Price(5600, 1)))

    def write(self, session, vendor, order):
        if self.broken:
            self.runner.post(on.WriteFailed(session, "C-203", unchanged=True))
            return
        self.card.credited.append((order.count, order.amount_fen, order.energy_centi_kwh))
        self.card.reading = CardReading(
            CardKind.PURCHASE, "420100", "10086", "70001", order.count, PurchaseState.PENDING, sale=order.sale
        )
        self.runner.post(on.CardWritten(session, self.card.reading))

    def enable(self, notes, coins):
        pass

    def disable(self):
        pass

    def stack(self):
        self.runner.post(on.NoteStacked(5000))

    def give_back(self):
        pass

    def credited(self, device):
        pass

    def settled(self):
        pass

    def close(self):
        self.slips.stop()
        self.journal.close()

    def batch(self):
        with JournalReader(self.path) as log:
            entries = list(log.entries(0, log.size))
            return cbor2.dumps({"origin": self.origin, "from": 0, "entries": entries, "checkpoint": log.newest()})


@pytest.fixture
def hq(tmp_path):
    folder = tmp_path / "hq"
    create_signer(folder, "power.example", 1)
    app = create_app(Settings(folder, f"sqlite:///{folder}/hq.db"), StillClock())
    yield app
    app.state.store.close()


def scanned(picture: Image.Image) -> str:
    (code,) = zxingcpp.read_barcodes(picture.convert("L"))
    return code.text


def sent(hq, kiosk):
    from starlette.testclient import TestClient

    from kiosk.hq.store import log_hash

    headers = {"Content-Type": "application/cbor"}
    there = f"/v1/logs/{log_hash(kiosk.origin)}/entries"
    return TestClient(hq).post(there, content=kiosk.batch(), headers=headers).status_code


def test_from_one_kiosk_over_head_office_onto_the_card_at_another(hq, tmp_path):
    store, card = hq.state.store, Card()
    a = Kiosk(tmp_path, "0007", card, broken=True)
    enrol(store, str(a.signer.vkey), NOON)
    a.say(on.CardInserted(1), on.Continue(), on.ChooseAmount(5000))
    a.say(a.heard.get(timeout=10))  # there is paper
    a.say(on.NoteEscrowed(5000))
    assert scanned(a.slip()).startswith("PK1:") and isinstance(a.runner.state.phase, Done)
    a.say(on.TakeVoucher())
    text = scanned(a.slip())
    assert text.startswith("PV1:") and isinstance(a.runner.state.phase, Vouched)
    no = a.runner.state.phase.issued.no
    found = vouchers.read(store, text)
    assert (found.row.no, found.row.fen, found.row.count, found.arrived) == (no, 5000, 7, False)

    vouchers.redeem(store, found, "card", "李四", NOON)
    listed = vouchers.next_list(store, NOON)
    signer = make_key(tmp_path / "prices.pem", tmp_path / "passphrase", "power.example/prices/1")
    body = owed_note(listed)
    (tmp_path / "owed.txt").write_text(listed.text())
    signature = Signature(signer.vkey.name, signer.vkey.key_id, signer.sign(body.encode()))
    (tmp_path / "owed.note").write_text(str(Note(body, (signature,))))
    (tmp_path / "prices.vkey").write_text(str(signer.vkey))
    taken, _ = load_owed(tmp_path / "owed.note", tmp_path / "owed.txt", tmp_path / "prices.vkey", 0)

    b = Kiosk(tmp_path, "0008", card, orders_of(taken).items())
    enrol(store, str(b.signer.vkey), NOON)
    b.say(on.CardInserted(1))
    assert scanned(b.slip()).startswith("PK1:")
    assert card.credited == [(8, 5000, 8928)] and b.runner.state.books.brought == {no}
    assert sent(hq, a) == sent(hq, b) == 200
    known = vouchers.standing(store, no)
    assert (known.state, known.origin) == ("written", a.origin)
    assert vouchers.next_list(store, NOON).rows == ()
    for kiosk in (a, b):
        kiosk.close()
        with JournalReader(kiosk.path) as log:
            assert finish(verify_journal(log, [kiosk.signer.vkey])).good
