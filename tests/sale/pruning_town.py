"""A kiosk that goes on for months: every kind of customer, every accident that leaves something, a real ledger."""

import random
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from world import BLANK, VENDOR, Plastic, PowerCut, World

from kiosk.app.pruner import new_folds, plan
from kiosk.ledger.entry import decode
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.note import HEAD_OFFICE, cosign, open_cosigned
from kiosk.model.card import KeypadCustomer
from kiosk.model.cash import Mark
from kiosk.sale import events as on
from kiosk.sale.state import Rules

KEYPAD = replace(VENDOR, code="0009", keypad=True, may_stack=False)
ORIGIN = "power.example/kiosk/420100/0007/1"
HOUR, DAY = 3_600_000, 86_400_000
NOON = 1_795_579_200_000  # 2026-11-25 12:00 at the kiosk


def key(seed, name=ORIGIN, kind=1):
    return KeySigner(Ed25519PrivateKey.from_private_bytes(seed * 32), name, kind)


TERMINAL, OFFICE = key(b"t"), key(b"o", "power.example/ledger-hq/1", HEAD_OFFICE)


class Clock:
    def __init__(self):
        self.ms = NOON

    def utc_ms(self):
        return self.ms

    def monotonic_ms(self):
        return self.ms

    def civil(self):
        return "20261125120000"


class Town:
    """The world of the sale's tests over a real journal; remembers every entry that ever was."""

    def __init__(self, path, seed):
        self.path, self.chance, self.clock = path, random.Random(seed), Clock()
        self.journal = Journal.create(path, TERMINAL, ORIGIN, "", "new", self.clock)
        self.all = [raw for _, raw, _ in self.journal.rows()]
        self.world = World(Rules(coins_fen=(100,)))
        self.world.customers = {
            f"3000000{n}": KeypadCustomer("0009", f"3000000{n}", f"7{n}", "420100", 4) for n in "123"
        }
        self.cards = {n: Plastic(replace(BLANK, customer=f"100{n}", meter=f"200{n}")) for n in range(6)}
        self.coins = 0
        self.written()

    def written(self):
        """What the sale recorded goes into the journal."""
        done = getattr(self, "done", 0)
        drafts, self.done = self.world.entries[done:], len(self.world.entries)
        while drafts:
            some = self.chance.randrange(1, 6)
            self.journal.append(drafts[:some])
            drafts = drafts[some:]
        self.heard()

    def heard(self):
        self.all += [raw for _, raw, _ in self.journal.kept_rows(len(self.all))]

    def reopen(self):
        """The kiosk starts again; what it makes of the ledger as it lies there."""
        folds = new_folds()
        self.journal.close()
        self.journal = Journal.open(self.path, TERMINAL, self.clock, folds.see)
        return folds

    def everything(self):
        """What it would make of the ledger if nothing had ever been deleted."""
        folds = new_folds()
        for raw in self.all:
            folds.see(decode(raw))
        return folds

    def cosigned(self, back=0):
        """Head office's answer of today, about the ledger as it is, or was so many entries ago."""
        self.journal.sign(self.journal.size - back)
        from kiosk.ledger.journal import JournalReader

        with JournalReader(self.path) as log:
            note = log.at_most(self.journal.size - back)
        return open_cosigned(cosign(note, OFFICE, self.clock.ms // 1000), TERMINAL.vkey, [OFFICE.vkey])

    def prune(self, days=3, back=0):
        """Deletes what is old enough. Returns how many entries went."""
        pruning = plan(self.journal, self.cosigned(back), days * DAY)
        if pruning is None:
            return 0
        self.journal.prune(pruning)
        self.heard()
        return len(pruning.doomed)

    # what happens

    def live(self, visits):
        """Visits, one after the other."""
        for _ in range(visits):
            self.clock.ms += self.chance.randrange(9 * HOUR)
            self.chance.choice(self.KINDS)(self)
            world = self.world
            if world.inserted:
                world.pull()
            for timer in ("visit", "note", "note-last", "visit", "fraud"):
                world.wait(timer)
            self.written()

    def paid(self):
        self.world.card = self.cards[self.chance.randrange(len(self.cards))]
        self.world.vendor = VENDOR
        notes = [self.chance.choice((500, 1000, 2000)) for _ in range(self.chance.randrange(1, 4))]
        return self.world.buy(10_000, *notes)

    def buys(self):
        self.paid().say(on.Finish())

    def goes_without(self):
        self.paid()

    def cannot_be_written(self):
        self.world.write_fails = True
        self.paid().say(on.Finish())
        self.world.write_fails = False
        if self.chance.random() < 0.4:
            self.world.say(on.TakeVoucher())

    def moves_away(self):
        """A card that never comes back: owed, in doubt, or on paper."""
        number, cards = self.world.session, self.cards
        self.cards = {0: Plastic(replace(BLANK, customer=f"9{number}", meter=f"8{number}"))}
        self.chance.choice((Town.goes_without, Town.cannot_be_written, Town.ends_in_doubt))(self)
        self.cards = cards

    def ends_in_doubt(self):
        world = self.paid()
        world.tear_next, world.lands = True, self.chance.random() < 0.5
        reads = world._ReadCard
        world._ReadCard = lambda effect: world.queue.append(on.CardRejected(effect.session, "C-201"))
        world.say(on.Finish())
        for _ in range(6):
            world.wait("read")
        world._ReadCard = reads

    def keys_in_a_number(self):
        self.world.vendor = KEYPAD
        self.world.cut()
        self.world.token_fails = "D-302" if self.chance.random() < 0.3 else ""
        self.world.say(on.AskNumber(), on.GiveNumber(self.chance.choice(list(self.world.customers))))
        self.world.say(on.Continue(), on.ChooseAmount(5000)).feed(self.chance.choice((1000, 5000))).say(on.Finish())
        self.world.token_fails, self.world.vendor = "", VENDOR
        self.world.wait()
        self.world.cut()

    def pays_with_coins(self):
        self.world.say(on.DeviceUp("coins"))
        self.paid()
        for _ in range(2):
            self.coins += 1
            self.world.say(on.CoinTaken(100, mark=Mark("C7", self.coins)))
        self.world.say(on.Finish())

    def puts_money_where_none_belongs(self):
        self.world.say(on.NoteStacked(1000))

    def pulls_the_plug(self):
        world = self.paid()
        world.cut_after = self.chance.randrange(6)
        try:
            world.say(on.Finish())
            world.cut_after = None
        except PowerCut:
            pass
        world.cut()

    def finds_no_paper(self):
        self.paid()
        self.world.paper = False
        self.world.say(on.Finish())
        self.world.paper = True
        self.world.say(on.DeviceUp("printer"))

    def breaks_something(self):
        device, code = self.chance.choice(
            (("reader", "V-402"), ("heat", "V-432"), ("disk", "L-502"), ("coins", "V-418"))
        )
        self.world.say(on.DeviceDown(device, code))
        if self.chance.random() < 0.8:
            self.world.say(on.DeviceUp(device), on.ClockStepped(1, 2))

    def tampers(self):
        self.world.say(on.FraudSeen("acceptor", "string"))

    def changes_the_acceptor(self):
        serial = f"S{self.chance.randrange(2)}"
        self.world.say(on.AcceptorUp("none", total=1000 + len(self.world.box), serial=serial))

    KINDS = (*(buys,) * 8, goes_without, cannot_be_written, ends_in_doubt, keys_in_a_number, pays_with_coins)
    KINDS += (moves_away, puts_money_where_none_belongs, pulls_the_plug, finds_no_paper, breaks_something, tampers)
