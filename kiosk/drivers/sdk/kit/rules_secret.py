"""Contract 1 §4.9, §4.11, §4.12 and §6: secrets: when one is presented, what a wrong one costs."""

from __future__ import annotations

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.bench import NONSENSE, Bench
from kiosk.drivers.sdk.kit.files import EXTERNAL_AUTHENTICATE
from kiosk.drivers.sdk.kit.memory import other, tries_of
from kiosk.drivers.sdk.kit.notes import Scene
from kiosk.drivers.sdk.kit.port import Faults, spoiled
from kiosk.drivers.sdk.kit.rules_write import writings
from kiosk.drivers.sdk.kit.verdict import NotOffered, demand
from kiosk.model.cardport import CardPortError, VirtualCard

GET_CHALLENGE = bytes.fromhex("00840000")


def rule_secret_refused(bench: Bench) -> None:
    """A secret the card refuses is 06, costs one try at most, and the content stays as it is."""
    scene = _guarded(bench)
    if bench.memory is None:
        what = "PURCHASE on a card that refuses the secret"
        before = bench.content()
        answer = bench.ask(Command.PURCHASE, _purchase(bench, scene), faults=Faults(spoil_secret=True))
        if bench.seen.verifies == 0:
            raise NotOffered("PURCHASE presented no secret (VERIFY, EXTERNAL AUTHENTICATE)")
        demand(bench.seen.verifies == 1, what, "one try", f"{bench.seen.verifies} tries")
    else:
        what = "PURCHASE on a card with another secret"
        bench.put(bench.memory.foreign(scene.card))
        before, tries = bench.content(), _tries(bench)
        answer = bench.ask(Command.PURCHASE, _purchase(bench, scene))
        demand(_tries(bench) >= tries - 1, what, f"{tries - 1} tries left at least", f"{_tries(bench)} left")
        demand(bench.seen.writes == 0, what, "nothing written", f"{bench.seen.writes} writes")
    demand(answer.error == 0x06, what, "error 06", answer.said)
    demand(bench.content() == before, what, "the card unchanged", "it changed")
    demand(answer.number(DI.CARD_AFTER) in (None, 0), what, "FF03 = 0", "FF03 = 2", "a burnt try is no change")


def rule_one_try_left(bench: Bench) -> None:
    """With one try left, or tries that cannot be read, it is 07 and no secret is presented; after 0D, before 06."""
    chip = bench.folder.chip
    if chip is not None and not chip.counts_tries:
        raise NotOffered(
            "a family whose secrets may be tried for ever" if chip.secrets else "a family without a secret"
        )
    scene = _guarded(bench)
    items = _purchase(bench, scene)
    bench.put(scene.card)
    bench.presented = None
    bench.accept(Command.PURCHASE, items, "PURCHASE")
    worn = _worn(bench, scene.card)
    title = "PURCHASE on a card with one try left"
    for more, password in (("", None), (" and a malformed password", NONSENSE)):
        bench.put(worn)
        bench.refuse(Command.PURCHASE, items, (0x07,), title + more, password=password)
        _nothing_presented(bench, title + more)
    if bench.memory is not None:
        left = bench.snapshot().tries_left(0)
        demand(left == 1, title, "1 try left", f"{left}")
        bench.put(scene.card)
        answer = bench.ask(Command.PURCHASE, items, faults=Faults(tries_unreadable=True))
        demand(answer.error == 0x07, "PURCHASE where tries_left fails", "error 07", answer.said)
        _nothing_presented(bench, "PURCHASE where tries_left fails")
    jump = {**items, DI.COUNT: orders.u4(scene.last + 9)}
    bench.put(worn)
    bench.refuse(Command.PURCHASE, jump, (0x0D,), "PURCHASE of a wrong count with one try left")
    bench.put(worn)
    read = bench.accept(Command.READ, {}, "READ of a card with one try left")
    demand(read.number(DI.COUNT) == scene.last, "READ with one try left", str(scene.last), str(read.number(DI.COUNT)))
    for writing in writings(bench):
        card = bench.enter(writing.scene).card
        bench.accept(writing.command, writing.items, writing.command.name)
        if bench.seen.verifies == 0:
            continue  # this command needs no secret
        title = f"{writing.command.name} on a card “{writing.scene}” with one try left"
        bench.put(_worn(bench, card))
        bench.refuse(writing.command, writing.items, (0x07,), title)
        _nothing_presented(bench, title)


def rule_malformed_password(bench: Bench) -> None:
    """A malformed password is 06 and costs no try; it is looked at last, and not at all where nothing is written."""
    bench.need_card()
    chip = bench.folder.chip
    if chip is not None and not chip.secrets:
        raise NotOffered("a family without a secret")
    scene = _sellable(bench)
    if not bench.folder.password and not bench.folder.secret:
        raise NotOffered("a vendor without password")
    counts = chip is not None and chip.counts_tries
    items, what = _purchase(bench, scene), f"PURCHASE with the password “{NONSENSE}”"
    tries = _tries(bench) if counts else 0
    bench.refuse(Command.PURCHASE, items, (0x06,), what, password=NONSENSE)
    _nothing_presented(bench, what)
    if counts:
        demand(_tries(bench) == tries, what, f"{tries} tries left", f"{_tries(bench)}")
    if bench.idle_password is None:
        return  # the card cannot even be read with it, so nothing else can be found out first
    jump = {**items, DI.COUNT: orders.u4(scene.last + 9)}
    bench.refuse(Command.PURCHASE, jump, (0x0D,), f"{what} and a wrong count", password=NONSENSE)
    if chip is not None:
        bench.accept(Command.READ, {}, f"READ with the password “{NONSENSE}”", password=NONSENSE)
    if Command.OPEN in bench.about.commands:
        try:
            limited = bench.enter("opened with a hoard limit")
        except NotOffered:
            return
        over = {**_purchase(bench, limited), DI.AMOUNT: b"\x7f" * 4, DI.ENERGY: b"\x7f" * 4}
        bench.refuse(Command.PURCHASE, over, (0x0E,), f"{what} and above the hoard limit", password=NONSENSE)


def rule_secrets_kept(bench: Bench) -> None:
    """No command changes the card's secret: it still opens every card the driver made."""
    bench.need_card()
    if bench.notes.secrets:
        text, _call = bench.notes.secrets[0]
        demand(False, "the card's secrets", "no APDU that changes them", text)
    if bench.memory is None or not bench.memory.chip.secrets:
        return
    for name, scene in bench.scenes.items():
        bench.put(scene.card)
        opens = bench.memory.opens(bench.snapshot())
        demand(opens, f"the secrets of a card “{name}”", "as conformance/ has them", "refused")


def _sellable(bench: Bench) -> Scene:
    bench.need(Command.PURCHASE)
    return bench.enter("started")


def _guarded(bench: Bench) -> Scene:
    """A card to buy on, of a family that has a secret."""
    bench.need_card()
    if bench.folder.chip is not None and not bench.folder.chip.secrets:
        raise NotOffered("a family without a secret")
    return _sellable(bench)


def _purchase(bench: Bench, scene: Scene) -> dict[int, bytes]:
    return orders.purchase(scene.person, states.bought(bench, scene.last + 1))


def _worn(bench: Bench, card: VirtualCard) -> VirtualCard:
    """The same card after wrong tries until one is left of each secret."""
    if bench.memory is None:
        return _worn_cpu(bench, card)
    bench.put(card)
    worn = bench.snapshot()
    for which in bench.memory.tries(worn):
        size = bench.memory.chip.secrets[which]
        wrong = other(bench.folder.secret)[:size].ljust(size, b"\x5a")
        for _ in range(16):
            if tries_of(worn, which) <= 1:
                break
            try:
                worn.verify(which, wrong)
            except CardPortError:
                continue
    worn.reset()
    return worn


def _worn_cpu(bench: Bench, card: VirtualCard) -> VirtualCard:
    """The driver's own VERIFY or EXTERNAL AUTHENTICATE, spoiled, until the card says 63C1 (ISO 7816-4)."""
    if bench.presented is None:
        raise NotOffered("PURCHASE presented no secret, so the kit cannot use up its tries")
    path, apdu = bench.presented
    bench.put(card)
    worn = bench.snapshot()
    for _ in range(16):
        worn.reset()
        for select in path:
            worn.transmit(select)
        if apdu[1] == EXTERNAL_AUTHENTICATE:
            worn.transmit(GET_CHALLENGE + apdu[4:5])  # of another one, so any cryptogram is wrong
        told = worn.transmit(spoiled(apdu))[-2:]
        if told[:1] != b"\x63" or told == b"\x63\xc0":
            break
        if told == b"\x63\xc1":
            return worn
    raise NotOffered("a wrong secret is not answered 63Cx, so the kit cannot tell how many tries are left")


def _tries(bench: Bench) -> int:
    """Tries left of all the card's secrets together."""
    return sum(bench.memory.tries(bench.snapshot()).values()) if bench.memory is not None else 0


def _nothing_presented(bench: Bench, what: str) -> None:
    demand(bench.seen.verifies == 0, what, "no secret presented", f"presented {bench.seen.verifies} times")
