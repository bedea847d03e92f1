"""A town: kiosks, customers, their meters, a courier's road and head office, all in one seed and one time.

What must hold is looked at all the time and, when everything has come to rest, fen by fen (``check``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kiosk.billing.book import PriceBook
from kiosk.billing.customers import CustomerList
from kiosk.drivers.registry import load_registry
from kiosk.drivers.sdk.kit.folder import VendorFolder, load_folder
from kiosk.hq.purchases import ALARM
from kiosk.ledger.entry import Entry, decode
from kiosk.ledger.journal import JournalReader
from kiosk.model.card import KeypadCustomer, Unit
from kiosk.simulation.clock import HandClock
from kiosk.simulation.database import connect
from kiosk.simulation.town.chance import RATES, Chance
from kiosk.simulation.town.courier import HeadOffice
from kiosk.simulation.town.people import REGION, Customer, Visit, customer_of
from kiosk.simulation.town.station import Station, Wares
from kiosk.simulation.town.stick import Broken, Pocket
from kiosk.simulation.town.vouchers import VoucherDesk, VoucherStory, amiss, stories

CUSTOMERS_A_VENDOR = 2
NOTE_MAX_FEN, COIN_MAX_FEN = 10_000, 100
PAUSE_MS = 3_000
CALM_MS = 60_000  # in which every device comes to rest
CALMS_MAX = 5
GOODBYE_MS = 10_000  # after a visit in which nothing goes wrong
SYNC_MS = 300_000
COMES_AGAIN = 2  # once for head office's order, once for what this kiosk owes: many a card takes one at a time


@dataclass(frozen=True, slots=True)
class Result:
    """What a town lived through."""

    visits: int
    lives: int  # of kiosk processes
    faults: Counter[str]
    sold_fen: int
    lost_notes: int  # left to people by name
    vouchers: Counter[str]  # what became of them
    sold_twice: int  # counts of cards that two kiosks sold, told by head office
    sticks: Counter[str]  # rounds that carried everything; ledgers that head office took off a stick


class Town:
    """``vendors``: finished vendors' folders; ``folder``: for what is not on the simulated disks."""

    def __init__(
        self,
        seed: int | str,
        vendors: Sequence[Path],
        folder: Path,
        protocols: Sequence[str] = ("ccnet", "ccnet"),
        rates: Mapping[str, float] = RATES,
    ) -> None:
        self.chance = Chance(seed, rates)
        self.clock = HandClock(1)
        folders = [load_folder(vendor) for vendor in vendors]
        self.customers = [
            customer_of(each, at * CUSTOMERS_A_VENDOR + n, self.clock)
            for at, each in enumerate(folders)
            for n in range(CUSTOMERS_A_VENDOR)
        ]
        names = [f"{n + 1:04d}" for n in range(len(protocols))]
        self._at_home = {who.number: names[n % len(names)] for n, who in enumerate(self.customers)}
        wares = self._wares(folders, vendors, names)
        self.office = HeadOffice(folder, self.clock, self.chance)
        self.stations = [
            Station(name, protocol, wares, self.office, self.clock, self.chance, folder)
            for name, protocol in zip(names, protocols, strict=True)
        ]
        self.desk = VoucherDesk(self.office, self.chance)
        self.pocket = Pocket(self.office, self.chance)
        self._visits: list[tuple[int, Visit]] = []
        self.visits = 0
        self.sold_twice = 0
        self._told: dict[str, VoucherStory] = {}

    def _wares(self, folders: Sequence[VendorFolder], vendors: Sequence[Path], names: Sequence[str]) -> Wares:
        passwords = {each.manifest.vendor.code: each.password for each in folders}
        keypads: dict[str, dict[str, KeypadCustomer]] = {name: {} for name in names}
        for who in self.customers:
            if who.chip is None:
                listed = KeypadCustomer(who.vendor, who.number, who.meter_number, REGION, 0)
                keypads[self._at_home[who.number]][who.number] = listed
        prices = PriceBook(1, dict.fromkeys(passwords, 5600))
        return Wares(
            load_registry(vendors), passwords, prices, {name: CustomerList(1, rows) for name, rows in keypads.items()}
        )

    def close(self) -> None:
        """Ends everything."""
        for station in self.stations:
            if station.life is not None:
                station.life.leave()
        self.office.close()

    # ---- time

    def run(self, visits: int) -> None:
        """So many visits, and all that goes wrong. Raises Broken, or whatever the kiosk's code raises."""
        while self.visits < visits or self._visits:
            self._invite(visits)
            self._tick()

    def _tick(self, latest_ms: int = 1 << 60) -> None:
        due = [station.due_ms() for station in self.stations] + [at for at, _ in self._visits]
        self.clock.now_ms = self.chance.now_ms = max(self.clock.now_ms, min(*due, latest_ms))
        for station, at in zip(self.stations, due, strict=False):
            if at <= self.clock.now_ms:
                station.play()
                self._still_holds(station)
        self._visits = [next_ for at, visit in self._visits if (next_ := self._think(at, visit)) is not None]

    def _think(self, at: int, visit: Visit) -> tuple[int, Visit] | None:
        if at > self.clock.now_ms:
            return at, visit
        wait_ms = visit.think()
        return None if wait_ms is None else (self.clock.now_ms + wait_ms, visit)

    def _invite(self, visits: int) -> None:
        busy = {visit.station for _, visit in self._visits}
        away = {id(visit.who) for _, visit in self._visits}
        for station in self.stations:
            free = [who for who in self.customers if id(who) not in away and self._served(who, station)]
            if station in busy or self.visits >= visits or not free:
                continue
            who = self.chance.random.choice(free)
            away.add(id(who))
            self._between(who, station)
            visit = Visit(who, station, self.chance, free)
            self.chance.tell(f"{who.number} ({who.folder.manifest.vendor.abbr}) comes to {station.name}")
            self._visits.append((self.clock.now_ms + PAUSE_MS, visit))
            self.visits += 1
            if self.chance.happens("card copied"):
                visit.copy_card()

    def _served(self, who: Customer, station: Station) -> bool:
        return who.chip is not None or self._at_home[who.number] == station.name

    def _between(self, who: Customer, station: Station) -> None:
        """What happens between two visits."""
        if self.chance.random.random() < 0.7:
            who.at_the_meter(who.chip, self.chance)
        station.hurt_the_disk()
        self.desk.serve(who)
        if self.chance.random.random() < 0.3 and (listed := self.desk.some_list()) is not None:
            station.bring(listed)
        if self.chance.random.random() < (0.1 if station.road.there else 0.5):
            station.later(0, partial(self.pocket.at_the_kiosk, station))
        if self.chance.random.random() < 0.15:
            self.pocket.at_head_office()
        if self.chance.random.random() < 0.05:
            self.office.back_up()
        if self.chance.happens("head office restored from a backup"):
            self.office.restore()

    # ---- what must hold

    def _still_holds(self, station: Station) -> None:
        life = station.life
        if life is None:
            return
        moving = station.machine.note_fen or 0
        in_box = station.box_fen
        if life.memory.box_fen > in_box + moving and station.machine.box:
            raise Broken(f"{station.name}: {life.memory.box_fen} fen are booked and {in_box} lie in the box")

    def come_to_rest(self) -> None:
        """No fault any more: everybody comes back for what is theirs, everything is told to head office."""
        self.chance.calm()
        for _ in range(CALMS_MAX):  # a cut that was on its way still comes, and may last
            self._until(self.clock.now_ms + CALM_MS)
            if all(station.life is not None for station in self.stations):
                break
        self._all_come_by()
        self._until_told()
        if self.desk.settle(to_cards=True):
            for station in self.stations:
                station.bring(self.desk.new_list())
                station.restart()
            self._until(self.clock.now_ms + CALM_MS)
            self._all_come_by()
            self._until_told()
        self.desk.settle(to_cards=False)

    def _all_come_by(self) -> None:
        for who in self.customers:
            for station in self.stations:
                for _ in range(COMES_AGAIN):
                    if self._expects(station, who):
                        self._comes_by(who, station)

    def _comes_by(self, who: Customer, station: Station) -> None:
        who.at_the_meter(who.chip)
        visit = Visit(who, station, self.chance, [])
        visit.calm, visit.chip = True, who.chip
        self._visits.append((self.clock.now_ms + PAUSE_MS, visit))
        while self._visits:
            self._tick()
        self._until(self.clock.now_ms + GOODBYE_MS)

    def _until_told(self) -> None:
        """Until head office has every entry; for a while at most."""
        end_ms = self.clock.now_ms + SYNC_MS
        while self.clock.now_ms < end_ms and not all(map(self._is_told, self.stations)):
            self._until(self.clock.now_ms + 5_000)
            for station in self.stations:
                if not station.road.there:
                    station.later(0, partial(self.pocket.at_the_kiosk, station))
                    self._until(self.clock.now_ms + 1)
                    self.pocket.at_head_office()

    def _is_told(self, station: Station) -> bool:
        return station.life is not None and station.life.journal.size == self.office.size(station.origin)

    def _until(self, end_ms: int) -> None:
        while self.clock.now_ms < end_ms:
            self._tick(end_ms)

    def _expects(self, station: Station, who: Customer) -> bool:
        assert station.life is not None, f"{station.name} does not come up"
        books, key = station.life.memory.books, (who.vendor, who.number, who.meter_number)
        owed, bound = books.owed.get(key), station.life.runner.state.listed.get(key)
        if bound is not None and bound.no not in books.brought:
            return True
        return key in books.doubts or (owed is not None and owed.fen >= who.least_fen)

    def entries(self, station: Station) -> list[Entry]:
        """The whole ledger."""
        reader = JournalReader(station.path, connect(station.disk))
        try:
            return [decode(raw) for raw in reader.entries(0, reader.size)]
        finally:
            reader.close()

    def check(self) -> Result:
        """Fen by fen, after ``come_to_rest``. Raises Broken."""
        logs = {station.name: self.entries(station) for station in self.stations}
        lost = sum(self._check_station(station, logs[station.name]) for station in self.stations)
        every = [entry for log in logs.values() for entry in log]
        self._told = stories(every)
        self._check_vouchers()
        for who in self.customers:
            self._check_customer(who, every)
        sold = -sum(fen for log in logs.values() for entry in log for to, fen in entry.post if to.startswith("sold:"))
        return Result(
            self.visits,
            sum(each.lives for each in self.stations),
            self.chance.counts,
            sold,
            lost,
            self._vouchers(),
            self.sold_twice,
            Counter({"rounds": self.pocket.rounds, "taken": self.pocket.taken}),
        )

    def _check_station(self, station: Station, log: list[Entry]) -> int:
        balances: Counter[str] = Counter()
        for entry in log:
            for account, fen in entry.post:
                balances[account] += fen
        if sum(balances.values()):
            raise Broken(f"{station.name}: the postings sum to {sum(balances.values())}")
        in_box = station.box_fen
        lost = [entry.data["fen"] for entry in log if entry.kind == "note.lost"]
        unknown = sum(entry.kind == "note.unknown" for entry in log)
        unbooked = in_box - balances["cash:box"]
        missed = sum(
            entry.data["count"] * (COIN_MAX_FEN if entry.data["device"] == "coins" else NOTE_MAX_FEN)
            for entry in log
            if entry.kind == "events.lost"
        )
        if not 0 <= unbooked <= sum(lost) + NOTE_MAX_FEN * unknown + missed:
            raise Broken(f"{station.name}: {balances['cash:box']} fen booked, {in_box} in the box, {lost} lost")
        told = {account: fen for account, fen in balances.items() if fen}
        if self.office.balances(station.origin) != told or self.office.size(station.origin) != len(log):
            raise Broken(f"{station.name}: head office's books are {self.office.balances(station.origin)}, ours {told}")
        life = station.life
        if life is not None and life.state_file is not None and life.state_file.now.stop_selling:
            raise Broken(f"{station.name}: head office stopped the selling")
        return len(lost) + unknown + sum(1 for entry in log if entry.kind == "events.lost" and entry.data["count"])

    def _vouchers(self) -> Counter[str]:
        return Counter(self.desk.states().values()) + Counter({"tried again, in vain": self.desk.refused})

    def _check_vouchers(self) -> None:
        states = self.desk.states()
        honest = {(who.vendor, who.number): who.honest for who in self.customers}
        for no, story in self._told.items():
            said = amiss(no, story, self.desk.paid[no], states.get(no, ""), honest=honest.get(story.customer, True))
            if said:
                raise Broken(said)

    def _perhaps_on_the_card(self, who: Customer) -> set[int]:
        """What a torn write may have left on the card of an order that the kiosk then took back: every sum of such."""
        sums = {0}
        for story in self._told.values():
            if story.customer == (who.vendor, who.number) and story.returned and not story.written:
                amount = story.fen if who.unit is Unit.MONEY else story.centi_kwh
                sums |= {amount + each for each in sums}
        return sums

    def _sold_twice(self, who: Customer, written: Sequence[Mapping[str, int | str]]) -> set[int]:
        """What the ledgers sold and the card never had: one of a count that two kiosks sold, if head office says so.

        A kiosk in doubt takes a higher count for its own purchase (contract 1 §4.4), although another sold it.
        """
        by_count: dict[int, list[int]] = {}
        for each in written:
            amount = each["fen" if who.unit is Unit.MONEY else "energy"]
            by_count.setdefault(int(each["count"]), []).append(int(amount))
        told = self.office.alarms(ALARM)
        less = {0}
        for count, amounts in by_count.items():
            if len(amounts) > 1 and not any(f" {who.number} {who.meter_number} {count}: " in line for line in told):
                raise Broken(f"{who.number}: purchase {count} was sold {len(amounts)} times, and nobody was told")
            less = {before + sum(amounts) - one for before in less for one in amounts}
        self.sold_twice += sum(len(amounts) > 1 for amounts in by_count.values())
        return less

    def _check_customer(self, who: Customer, entries: list[Entry]) -> None:
        opened = [entry for entry in entries if entry.kind == "sale.opened"]
        sales = {
            each.sale for each in opened if (each.data["vendor"], each.data["customer"]) == (who.vendor, who.number)
        }
        written = [entry.data for entry in entries if entry.kind == "write.done" and entry.sale in sales]
        amount = sum(each["fen" if who.unit is Unit.MONEY else "energy"] for each in written)
        owed = f"owed:{who.vendor}:{who.number}"
        left = sum(fen for entry in entries for account, fen in entry.post if account == owed)
        who.digits += [each["token"] for each in written if "token" in each]
        taken = max(who.at_the_meter(who.chip) for _ in range(3))
        if who.honest:
            if left > 0 or -left >= len(self.stations) * who.least_fen:  # less waits for a purchase, at each kiosk
                raise Broken(f"{who.number}: {-left} fen are still owed")
            never_there = self._sold_twice(who, written)
            if all(taken - amount + less not in self._perhaps_on_the_card(who) for less in never_there):
                raise Broken(f"{who.number}: {amount} sold, the meter has {taken}")
        elif taken > amount + max(self._perhaps_on_the_card(who)):
            raise Broken(f"{who.number}, who copies cards: {amount} sold, the meter has {taken}")
