"""Head office's tables. SQLite by default; PostgreSQL by its URL, for which each log's row is the lock.

``entries``, ``checkpoints`` and ``redemptions`` are the truth and only grow. The ``PROJECTIONS`` at the end are made
from the entries, and ``books.rebuild`` makes them again. Everything here stays inside ``kiosk.hq``. A change here needs
a file in ``migrations/``, which changes the databases that are out there; a test holds the two together.
"""

from __future__ import annotations

from peewee import (
    AutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    ForeignKeyField,
    Model,
    TextField,
)


class Log(Model):
    """One epoch of one terminal: everything head office knows about its ledger. Times in UTC ms."""

    id = AutoField()
    hash = CharField(64, unique=True)  # <H> of the URLs
    origin = CharField(120, unique=True)
    vkey = TextField()
    enrolled_ms = BigIntegerField()
    blocked = BooleanField(default=False)
    quarantined = BooleanField(default=False)
    size = BigIntegerField(default=0)  # entries stored
    cosigned_size = BigIntegerField(default=0)
    cosigned_note = TextField(default="")  # what the last 200 said
    cosigned_time = BigIntegerField(default=0)  # POSIX seconds; never falls
    floor_size = BigIntegerField(default=0)  # a restored head office must reach this before it cosigns; 0: none
    floor_note = TextField(default="")
    claimed_size = BigIntegerField(default=0)  # the largest size the terminal ever signed before our eyes
    contact_ms = BigIntegerField(default=0)  # last request with a good signature
    booked_size = BigIntegerField(default=0)  # entries the projections have seen
    boot = CharField(20, default="0")  # highest of the entries booked; may need 64 bits, so it is text
    behind_ms = BigIntegerField(default=0)  # since then it has signed more than is here, and brought nothing; 0: no
    silent_after_ms = BigIntegerField(null=True)  # its own contact interval, where it is not the office's
    retired_ms = BigIntegerField(default=0)  # a person, or a newer epoch, ended it; what it still sends is taken. 0: no
    sealing = TextField(default="")  # the key to which its terminal's secrets are sealed, as a line; "": not known here

    class Meta:
        table_name = "logs"


class StoredEntry(Model):
    """One entry's bytes and its leaf hash."""

    log = ForeignKeyField(Log, index=False)
    seq = BigIntegerField()
    content = BlobField()
    leaf = BlobField()

    class Meta:
        table_name = "entries"
        primary_key = CompositeKey("log", "seq")


class StoredCheckpoint(Model):
    """A checkpoint that a terminal signed and whose entries are here."""

    log = ForeignKeyField(Log, index=False)
    size = BigIntegerField()
    note = TextField()

    class Meta:
        table_name = "checkpoints"
        primary_key = CompositeKey("log", "size")


class Evidence(Model):
    """Two checkpoints that one key signed and that cannot both be true, and the leaf hashes that show it."""

    id = AutoField()
    log = ForeignKeyField(Log)
    at_ms = BigIntegerField()
    refused = TextField()  # the terminal's checkpoint that came, or a cosigned note that came back
    held = TextField()  # the one head office holds
    leaves = BlobField()  # 32 bytes each: up to the size of the larger one of those whose entries are known

    class Meta:
        table_name = "evidence"


class Alarm(Model):
    """Something a person at head office must see; ``what`` is a key of the console's texts."""

    id = AutoField()
    log = ForeignKeyField(Log)
    at_ms = BigIntegerField()
    what = CharField(40)
    detail = TextField(default="")
    ended_ms = BigIntegerField(default=0)  # when it was over; 0: it goes on, or is of a kind that people end

    class Meta:
        table_name = "alarms"


class OwnKey(Model):
    """Every key head office has ever cosigned with."""

    vkey = CharField(255, primary_key=True)

    class Meta:
        table_name = "ownkeys"


class Projection(Model):
    """What can be made again from the entries of a log."""

    log = ForeignKeyField(Log, index=False)


class Day(Projection):
    """Totals of one log on one civil day (UTC+8, days since 1970). Money in fen, energy in 0.01 kWh."""

    day = BigIntegerField()
    sales = BigIntegerField(default=0)  # sales closed with credit on the card
    sold_fen = BigIntegerField(default=0)
    energy_centi_kwh = BigIntegerField(default=0)
    cash_fen = BigIntegerField(default=0)  # notes into the box

    class Meta:
        table_name = "days"
        primary_key = CompositeKey("log", "day")


class Balance(Projection):
    """What an account of a log stands at, in fen, debit positive."""

    account = CharField(160)
    fen = BigIntegerField(default=0)

    class Meta:
        table_name = "balances"
        primary_key = CompositeKey("log", "account")


class OpenSale(Projection):
    """What a sale that is not closed yet has posted to ``owed:`` accounts, in fen."""

    sale = CharField(32)  # hex
    fen = BigIntegerField(default=0)

    class Meta:
        table_name = "opensales"
        primary_key = CompositeKey("log", "sale")


class Parked(Projection):
    """An entry that is stored and cosigned, but could not be booked."""

    seq = BigIntegerField()
    why = TextField()

    class Meta:
        table_name = "parked"
        primary_key = CompositeKey("log", "seq")


class VoucherEvent(Projection):
    """What a ledger says about a voucher; ``what``: issued, brought, returned, or written (it is on the card)."""

    seq = BigIntegerField()
    no = CharField(64, index=True)
    what = CharField(10)
    at_ms = BigIntegerField()
    fen = BigIntegerField()
    vendor = CharField(64, default="")  # of what is issued, like the next two
    customer = CharField(64, default="")
    meter = CharField(64, default="")

    class Meta:
        table_name = "vouchers"
        primary_key = CompositeKey("log", "seq")


class Purchase(Projection):
    """A purchase that a sale brought onto a card, under its count; fen below 0: a reversal took it off again."""

    seq = BigIntegerField()
    vendor = CharField(64)
    customer = CharField(64)
    meter = CharField(64)
    count = BigIntegerField()
    fen = BigIntegerField()

    class Meta:
        table_name = "purchases"
        primary_key = CompositeKey("log", "seq")
        indexes = ((("customer", "count"), False),)


class Sale(Projection):
    """A sale from its opening on; what only its closing knows is 0 or empty before. Fen, and 0.01 kWh."""

    sale = CharField(32)  # hex
    opened_seq = BigIntegerField(null=True)
    opened_ms = BigIntegerField(null=True)
    closed_seq = BigIntegerField(null=True)  # the receipt's number
    closed_ms = BigIntegerField(null=True)
    vendor = CharField(64)
    customer = CharField(64, index=True)
    meter = CharField(64, index=True)
    paid_fen = BigIntegerField(default=0)
    written_fen = BigIntegerField(default=0)
    kept_fen = BigIntegerField(default=0)  # below 0: still owed to the customer
    energy_centi_kwh = BigIntegerField(default=0)
    count = BigIntegerField(default=0)  # the card's, of its last purchase
    why = CharField(64, default="")
    code = CharField(64, default="")
    doubt = BooleanField(default=False)

    class Meta:
        table_name = "sales"
        primary_key = CompositeKey("log", "sale")
        indexes = ((("closed_seq",), False), (("opened_ms",), False), (("closed_ms",), False))


class Cash(Projection):
    """Money into a cash box or bag, or out of it (below 0), in fen."""

    seq = BigIntegerField()
    account = CharField(80)
    fen = BigIntegerField()
    at_ms = BigIntegerField()
    kind = CharField(64)
    sale = CharField(32, default="")  # hex

    class Meta:
        table_name = "cash"
        primary_key = CompositeKey("log", "seq", "account")


class Owed(Projection):
    """What is owed to a customer now, in fen, above 0; or has come onto a card beyond it, below 0. Never 0."""

    vendor = CharField(64)
    customer = CharField(64, index=True)
    fen = BigIntegerField()
    since_ms = BigIntegerField()  # of the entry that made it leave 0
    seq = BigIntegerField()  # of the last entry that changed it

    class Meta:
        table_name = "owed"
        primary_key = CompositeKey("log", "vendor", "customer")


class Event(Projection):
    """Something at a terminal that people may look for: an outage, a refusal, tampering, an installation."""

    seq = BigIntegerField()
    at_ms = BigIntegerField(index=True)
    topic = CharField(12)  # one of happenings.TOPICS
    kind = CharField(64)
    what = CharField(64, default="")  # the device, the card's work, what was installed
    code = CharField(64, default="")
    customer = CharField(64, default="")
    ended_ms = BigIntegerField(default=0)  # of an outage: when the device came up again; 0: not yet

    class Meta:
        table_name = "events"
        primary_key = CompositeKey("log", "seq")


class Carried(Projection):
    """A balance that a ledger brought over from an old epoch of its terminal. Fen, debit positive."""

    seq = BigIntegerField()
    epoch = CharField(40)  # the old one's number
    account = CharField(160)
    fen = BigIntegerField()

    class Meta:
        table_name = "carried"
        primary_key = CompositeKey("log", "seq")


class Invitation(Model):
    """A one-time code and what became of it. Not a projection: people made it. ``state``: invite.STATES."""

    number = CharField(4, primary_key=True)
    place = CharField(110, index=True)  # domain/kiosk/region/terminal
    key = BlobField()  # derived from the code; the code itself is nowhere
    made_ms = BigIntegerField()
    expires_ms = BigIntegerField()
    tries = BigIntegerField(default=0)  # wrong ones
    state = CharField(10)
    operator = CharField(64, default="")  # who confirmed or refused it
    request = BlobField(null=True)
    answer = BlobField(null=True)
    vkey = TextField(default="")

    class Meta:
        table_name = "invitations"


class Redemption(Model):
    """A voucher that head office redeemed. Its number is the key: there is one row a number, or none.

    Not a projection: people made it. ``ticket`` tells whose attempt made the row.
    """

    no = CharField(64, primary_key=True)
    log = ForeignKeyField(Log)  # of the terminal that issued it
    at_ms = BigIntegerField()
    how = CharField(4)  # cash or card
    operator = CharField(64)
    ticket = CharField(32)
    vendor = CharField(64)
    customer = CharField(64)
    meter = CharField(64)
    region = CharField(64)
    fen = BigIntegerField()
    energy_centi_kwh = BigIntegerField()
    count = BigIntegerField()  # to which the card's order is bound

    class Meta:
        table_name = "redemptions"


class Settlement(Model):
    """A debt of an old epoch that a later one holds, and that a person closed. Not a projection: people made it.

    ``seq``: of the ``balance.brought`` entry that holds it.
    """

    log = ForeignKeyField(Log, index=False)
    seq = BigIntegerField()
    vendor = CharField(64)
    customer = CharField(64, index=True)
    meter = CharField(64)
    bound = BigIntegerField()  # the card's count at which it would have been paid
    fen = BigIntegerField()  # above 0
    at_ms = BigIntegerField()
    operator = CharField(64)
    reason = TextField()

    class Meta:
        table_name = "settlements"
        primary_key = CompositeKey("log", "seq")


class Published(Model):
    """The last version of a list that head office gave out; terminals refuse an older one."""

    name = CharField(20, primary_key=True)
    version = BigIntegerField()

    class Meta:
        table_name = "published"


PROJECTIONS: tuple[type[Projection], ...] = (
    Day,
    Balance,
    OpenSale,
    Parked,
    VoucherEvent,
    Purchase,
    Sale,
    Cash,
    Owed,
    Event,
    Carried,
)
TABLES: tuple[type[Model], ...] = (
    Log,
    StoredEntry,
    StoredCheckpoint,
    Evidence,
    Alarm,
    OwnKey,
    Redemption,
    Settlement,
    Published,
    Invitation,
    *PROJECTIONS,
)
