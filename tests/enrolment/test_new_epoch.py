"""A kiosk with debts dies; the next epoch pays them, and head office's books of both epochs add up."""

import pytest
from enrol_stage import NOON, PLACE, Clock, Machine, Office, shown

from kiosk.app import enrol_command
from kiosk.app.old_ledger import read_old
from kiosk.app.pruner import plan
from kiosk.billing.book import Price
from kiosk.hq.carried import left_of
from kiosk.hq.reports import fleet
from kiosk.hq.store import log_hash
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import Vkey, open_cosigned
from kiosk.ledger.totals import Totals
from kiosk.ledger.verify import finish, verify_journal
from kiosk.model.card import CardKind, CardReading, PurchaseState, Unit, Vendor
from kiosk.sale import events as on
from kiosk.sale.books import Memory
from kiosk.sale.runner import Doors, Runner
from kiosk.sale.state import Rules, State

VENDOR = Vendor("0001", "RDK", "阿迪克", "RDK", Unit.ENERGY, True, ("420100",), 100, 500_000)


class Card:
    def __init__(self, customer, count=7):
        self.reading = CardReading(CardKind.PURCHASE, "420100", customer, f"7{customer}", count, PurchaseState.TAKEN)
        self.credited = []


class Sale:
    """The kiosk's sale on a machine's ledger; it is its own doors."""

    def __init__(self, machine, clock=None):
        self.memory, self.broken, self.card = Memory(), False, None
        self.journal = machine.opened(self.memory.see, clock)
        doors = Doors(self.journal, self, self, self, self, lambda view: None)
        self.runner = Runner(State(Rules(), {"0001": VENDOR}), doors, Clock(), self.memory)
        self.runner.begin()
        self.say(*map(on.DeviceUp, ("reader", "acceptor", "printer")), on.AcceptorUp("none"))
        self.session = 0

    def say(self, *events):
        for event in events:
            self.runner.post(event)
            self.runner.drain()

    def visit(self, card, *notes):
        """The card in, perhaps notes, and out again."""
        self.card, self.session = card, self.session + 1
        self.say(on.CardInserted(self.session))
        if notes:
            self.say(on.Continue(), on.ChooseAmount(sum(notes)), on.PaperReady())
        for note in notes:
            self.note = note
            self.say(on.NoteEscrowed(note))
        self.say(on.CardRemoved(self.session))
        return self

    def read(self, session):
        self.runner.post(on.CardRead(session, VENDOR, self.card.reading, Price(5600, 1)))

    def write(self, session, vendor, order):
        if self.broken:
            self.runner.post(on.WriteFailed(session, "C-203", unchanged=True))
            return
        self.card.credited.append((order.count, order.amount_fen))
        customer = self.card.reading.customer
        self.card.reading = CardReading(
            CardKind.PURCHASE, "420100", customer, f"7{customer}", order.count, PurchaseState.PENDING, sale=order.sale
        )
        self.runner.post(on.CardWritten(session, self.card.reading))

    def stack(self):
        self.runner.post(on.NoteStacked(self.note))

    def print(self, *_):
        self.runner.post(on.Printed(self.journal.size - 1))

    def __getattr__(self, name):
        return lambda *_, **__: None

    def close(self):
        self.journal.close()


@pytest.fixture
def hq(tmp_path, monkeypatch):
    office = Office(tmp_path / "hq")
    monkeypatch.setattr(enrol_command, "ask_office", office.ask)
    yield office
    office.close()


def enrol(hq, machine, *words):
    code = hq.code()
    status, said, why = machine.run("--code", code, "--office", "https://hq", *words, typed="yes\n")
    assert status == 0, why
    hq.confirm(code[:4], shown(said))
    return said, why


def owed(hq):
    hq.app.state.clerk.settle(10)
    return {row.epoch: row.held.owed_fen for row in fleet(hq.store, NOON, 7, 36 * 3_600_000).terminals}


def dies_in_debt(hq, machine, cards):
    """Takes 50 yuan from each and can write no card."""
    sale = Sale(machine)
    sale.broken = True
    for card in cards:
        sale.visit(card, 5000)
    sale.close()
    assert hq.take(machine.config.journal).status_code == 200


def test_the_disk_is_dead_and_head_offices_books_pay(hq, tmp_path):
    old, cards = Machine(tmp_path / "old"), [Card("10086"), Card("10087"), Card("10088")]
    enrol(hq, old)
    dies_in_debt(hq, old, cards)
    tail = Sale(old).visit(cards[2])  # never heard of at head office: it paid the third card
    tail.close()
    assert cards[2].credited == [(8, 5000)] and owed(hq) == {"1": 15000}

    new = Machine(tmp_path / "new")
    said, _ = enrol(hq, new)
    assert f"{PLACE}/2" in said and "¥150.00 owed to 3 cards, ¥150.00 in cash (by head office's books" in said
    opened, *brought = new.entries()
    assert opened.kind == "log.opened" and {entry.kind for entry in brought} == {"balance.brought"}
    cosigned = hq.store.log(log_hash(f"{PLACE}/1")).cosigned_note
    assert opened.data["prev"] == cosigned and cosigned.startswith(f"{PLACE}/1\n")
    assert hq.take(new.config.journal).status_code == 200
    assert owed(hq) == {"1": 0, "2": 15000}, "what is brought over is owed once"

    sale = Sale(new)
    for card in cards:
        sale.visit(card)
    assert [card.credited for card in cards] == [[(8, 5000)]] * 3, "each card once, whoever wrote it"
    assert set(sale.memory.books.held) == {("0001", "10088", "710088")}
    sale.close()
    assert hq.take(new.config.journal).status_code == 200
    assert owed(hq) == {"1": 0, "2": 5000}

    assert hq.take(old.config.journal).status_code == 200, "the old disk was found: its true tail is still taken"
    assert owed(hq) == {"1": -5000, "2": 5000}, "and shows that the third debt was paid before"
    status, said, why = new.run("bring", old.config.journal)
    assert status == 0 and "1 corrections" in said, why
    assert hq.take(new.config.journal).status_code == 200
    assert owed(hq) == {"1": 0, "2": 0}
    balances_add_up(hq, old, new)
    assert "was right" in new.run("bring", old.config.journal)[1], "a second time there is nothing to do"


def balances_add_up(hq, *machines):
    """Every ledger verifies and balances; head office shows no fen twice and none left."""
    hq.app.state.clerk.settle(10)
    for machine in machines:
        with JournalReader(machine.config.journal) as log:
            assert finish(verify_journal(log, [log.vkey])).good
        totals = Totals()
        for entry in machine.entries():
            totals.take(entry)
        assert sum(totals.balances.values()) == 0
    shown_ = fleet(hq.store, NOON, 7, 36 * 3_600_000)
    assert shown_.balanced and shown_.held.owed_fen == 0 and shown_.held.cash_box_fen == 15000
    first = hq.store.log(log_hash(f"{PLACE}/1"))
    assert left_of(hq.store, first) == {} and first.retired_ms


def test_the_disk_is_readable_and_what_head_office_never_heard_of_comes_over(hq, tmp_path):
    machine, cards = Machine(tmp_path / "kiosk"), [Card("10086"), Card("10087")]
    enrol(hq, machine)
    dies_in_debt(hq, machine, cards[:1])
    sale = Sale(machine)
    sale.broken = True
    sale.visit(cards[1], 2000)  # head office does not know of it
    sale.close()
    before = machine.config.journal
    said, _ = enrol(hq, machine)
    assert "¥70.00 owed to 2 cards, ¥70.00 in cash (read from the old ledger)" in said
    assert before.exists() and machine.config.journal != before and machine.config.home.name == "epoch-2"
    cards[0].reading = CardReading(CardKind.PURCHASE, "420100", "10086", "710086", 12, PurchaseState.TAKEN)
    sale = Sale(machine)
    for card in cards:
        sale.visit(card)
    sale.close()
    assert [card.credited for card in cards] == [[(13, 5000)], [(8, 2000)]], "it is sure: no count binds it"
    for path in (before, machine.config.journal):
        assert hq.take(path).status_code == 200
    assert owed(hq) == {"1": 0, "2": 0}


def test_an_old_ledger_whose_oldest_entries_were_deleted_leaves_the_same(hq, tmp_path):
    machine, clock, card = Machine(tmp_path / "kiosk"), Clock(), Card("10086")
    enrol(hq, machine)
    sale = Sale(machine, clock)
    for number in range(80):
        sale.visit(Card(f"2{number:04}"), 2000)
    sale.broken = True
    sale.visit(card, 5000)
    clock.ms += 2 * 24 * 3_600_000
    hq.clock.ms = clock.ms
    sale.broken = False
    sale.visit(Card("30000"), 2000)
    cosigned = hq.take(machine.config.journal).text
    whole = read_old(machine.config.journal, PLACE, cosigned, None).rows
    pruning = plan(sale.journal, open_cosigned(cosigned, sale.journal.vkey, [_vkey(hq)]), 0)
    sale.journal.prune(pruning)
    sale.close()
    assert len(pruning.doomed) > 256
    assert read_old(machine.config.journal, PLACE, cosigned, None).rows == whole
    said, _ = enrol(hq, machine)
    assert "¥50.00 owed to 1 cards, ¥1670.00 in cash (read from the old ledger)" in said
    sale = Sale(machine).visit(card)
    sale.close()
    assert card.credited == [(8, 5000)]


def _vkey(hq):
    return Vkey.parse((hq.folder / "hq.vkey").read_text().strip())


def test_a_disk_image_that_was_put_back_is_not_believed(hq, tmp_path):
    machine, card = Machine(tmp_path / "kiosk"), Card("10086")
    enrol(hq, machine)
    image = {path.name: path.read_bytes() for path in machine.config.home.glob("ledger.db*")}
    dies_in_debt(hq, machine, [card])
    for path in machine.config.home.glob("ledger.db*"):
        path.unlink()
    for name, content in image.items():
        (machine.config.home / name).write_bytes(content)
    said, why = enrol(hq, machine)
    assert "E-910" in why and "by head office's books" in said and "¥50.00 owed to 1 cards" in said
    sale = Sale(machine).visit(card)
    sale.close()
    assert card.credited == [(8, 5000)]


def test_another_terminals_ledger_is_not_brought_over(hq, tmp_path):
    machine, other = Machine(tmp_path / "kiosk"), Machine(tmp_path / "other")
    enrol(hq, machine)
    other.toml.write_text(other.toml.read_text().replace('id = "0007"', 'id = "0008"'))
    other.run()
    code = hq.code()
    status, _, why = machine.run("--code", code, "--office", "x", "--old", other.config.journal, typed="yes\n")
    assert status == 1 and "E-910" in why and machine.config.home.name == "epoch-1"
    assert "E-910" in machine.run("bring", other.config.journal)[2]
    assert "E-910" in machine.run("bring", machine.config.journal)[2], "its own ledger is no old one"


def test_epochs_are_never_given_out_twice(hq, tmp_path):
    machine = Machine(tmp_path / "kiosk")
    for number in (1, 2):  # nobody confirms the first
        code = hq.code()
        _, said, _ = machine.run("--code", code, "--office", "x", typed="yes\n")
        assert f"{PLACE}/{number}" in said
    hq.confirm(code[:4], shown(said))
    assert hq.store.log(log_hash(f"{PLACE}/1")) is None and hq.store.log(log_hash(f"{PLACE}/2")) is not None
