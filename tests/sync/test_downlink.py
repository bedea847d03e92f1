"""The downlink against every trick of the TUF specification §1.5: what does not verify is never offered."""

import json
import shutil

import pytest
from tuf.api.metadata import Metadata
from tuf_office import Calendar, Downlink, Publisher, Web

from kiosk.hq.publish import keyfiles
from kiosk.model.errors import BatchRefused, LedgerFault
from kiosk.sync.downlink.offer import read_file, read_offer
from kiosk.sync.downlink.round import ON_STICK, Place, take_from_stick
from kiosk.sync.downlink.sources import FILE_TIME_MAX_S
from kiosk.sync.line import Pacing

PRICES, OWED, BLOCKED = "prices/prices.txt", "owed/owed.txt", "blocked/blocked.txt"


@pytest.fixture
def office(tmp_path):
    return Publisher(tmp_path / "hq")


@pytest.fixture
def downlink(tmp_path, office):
    return Downlink(tmp_path / "downlink", office.first_root, Web(office.files))


def offered(downlink):
    """Name → content, as the kiosk finds it."""
    offer = read_offer(downlink.place.folder)
    return {name: read_file(downlink.place.folder, digest) for name, digest in offer.targets.items()}


def refused(downlink, code, **more):
    """A round that must bring nothing; what was offered is offered still."""
    before = offered(downlink)
    with pytest.raises(BatchRefused) as fault:
        downlink.take(**more)
    assert fault.value.code == code, fault.value
    assert offered(downlink) == before
    return str(fault.value)


def test_what_is_published_is_offered_and_a_second_round_asks_for_no_file_again(office, downlink):
    office.publish(prices=b"price list 1\n", owed=b"owed 1\n")
    offer = downlink.take()
    assert (offer.version, offer.code) == (2, "") and read_offer(downlink.place.folder) == offer
    assert offered(downlink) == {PRICES: b"price list 1\n", OWED: b"owed 1\n"}
    downlink.web.asked.clear()
    downlink.take()
    assert [path for path, _ in downlink.web.asked] == ["metadata/2.root.json", "metadata/timestamp.json"]
    office.publish(prices=b"price list 2\n")
    downlink.take()
    assert offered(downlink) == {PRICES: b"price list 2\n", OWED: b"owed 1\n"}
    kept = {path.name for path in (downlink.place.folder / "files").iterdir()}
    assert kept == set(read_offer(downlink.place.folder).targets.values()), "the old list is gone"


def test_an_old_publication_shown_again(office, downlink):
    office.publish(prices=b"dear\n")
    old = office.copy("old")
    office.publish(prices=b"cheap\n")
    downlink.take()
    downlink.web.folder = old
    assert "does not verify" in refused(downlink, "S-631")
    assert read_offer(downlink.place.folder).code == "S-631"
    downlink.web.folder = office.files
    assert downlink.take().code == "", "the right one again, and all is well"


def test_a_frozen_repository_warns_and_takes_nothing_back(tmp_path):
    office = Publisher(tmp_path / "hq", days=-29)  # its timestamp has a day to live
    office.publish(prices=b"price list 1\n")
    downlink = Downlink(tmp_path / "downlink", office.first_root, Web(office.files))
    downlink.take()
    office.clock.days = -31
    office.repository.renew(office.keys)  # what was signed then and is shown now, newer than what we have
    assert "expired" in refused(downlink, "S-632")
    assert read_offer(downlink.place.folder).code == "S-632"
    assert offered(downlink) == {PRICES: b"price list 1\n"}
    office.clock.days = 0
    office.repository.renew(office.keys)
    assert downlink.take().code == ""


def test_files_of_two_publications_together(office, downlink):
    office.publish(prices=b"dear\n", owed=b"owed 1\n")
    downlink.take()
    office.publish(prices=b"cheap\n")
    metadata = office.files / "metadata"
    shutil.copyfile(metadata / "2.targets.json", metadata / "3.targets.json")  # the old list under the new name
    assert "does not verify" in refused(downlink, "S-631")


@pytest.mark.parametrize("endless", ["timestamp.json", "3.snapshot.json", "3.targets.json", "prices.txt"])
def test_data_without_end(office, downlink, endless):
    office.publish(owed=b"owed 1\n")
    downlink.take()
    office.publish(prices=b"price list 1\n")
    downlink.web.endless = endless
    assert "more is sent than there can be" in refused(downlink, "S-631")
    held = sum(path.stat().st_size for path in downlink.place.folder.rglob("*") if path.is_file())
    assert held < 20_000
    downlink.web.endless = ""
    downlink.take()
    assert offered(downlink)[PRICES] == b"price list 1\n"


def test_a_file_that_comes_too_slowly(office, downlink):
    office.publish(prices=b"price list 1\n")
    clock = iter(range(0, 10**9, int(FILE_TIME_MAX_S) + 1))
    assert "cannot be reached" in refused(downlink, "S-633", monotonic_s=lambda: next(clock))
    assert read_offer(downlink.place.folder).code == "", "silence is no alarm"


def test_somebody_elses_repository(tmp_path, office, downlink):
    office.publish(prices=b"price list 1\n")
    downlink.take()
    forger = Publisher(tmp_path / "forger")
    for n in range(5):
        forger.publish(prices=b"free %d\n" % n)
    downlink.web.folder = forger.files
    assert "does not verify" in refused(downlink, "S-631")


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_one_role_signed_with_a_strange_key(tmp_path, office, downlink, role):
    office.publish(prices=b"price list 1\n")
    downlink.take()
    office.publish(prices=b"price list 2\n")
    path = office.files / "metadata" / ("timestamp.json" if role == "timestamp" else f"3.{role}.json")
    raw = path.read_bytes()
    signature = json.loads(raw)["signatures"][0]["sig"]
    path.write_bytes(raw.replace(signature.encode(), b"00" * 64))
    assert "does not verify" in refused(downlink, "S-631")


def test_a_target_that_was_changed(office, downlink):
    office.publish(prices=b"price list 1\n")
    downlink.take()
    office.publish(prices=b"price list 2\n")
    for path in (office.files / "targets" / "prices").iterdir():
        path.write_bytes(path.read_bytes().replace(b"list", b"lies"))
    assert "not the file that was signed" in refused(downlink, "S-631")
    assert list((downlink.place.folder / "parts").iterdir()) == [], "nothing to go on with"


def test_roots_that_changed_several_times_while_the_terminal_was_away(office, downlink):
    office.publish(prices=b"price list 1\n")
    downlink.take()
    for n in range(3):  # each key of the root in turn, and those below it
        new = keyfiles.make(office.folder / "root", f"root-new-{n}")
        office.repository.exchange_root_key(keyfiles.key_id(office.root[0]), new, [*office.root, new])
        office.root = [*office.root[1:], new]
    office.keys["targets"] = keyfiles.make(office.folder / "keys", "targets-2")
    office.repository.change_root({"targets": office.keys["targets"]}, office.root)
    office.repository.sign_again(office.keys)
    office.publish(prices=b"price list 2\n")
    downlink.take()
    assert offered(downlink) == {PRICES: b"price list 2\n"}
    asked = [path for path, _ in downlink.web.asked if path.endswith("root.json")]
    assert asked[-5:] == [f"metadata/{n}.root.json" for n in range(2, 7)]
    fresh = Downlink(downlink.place.folder.parent / "other", office.first_root, downlink.web)
    fresh.take()
    assert offered(fresh) == {PRICES: b"price list 2\n"}, "enrolled long ago, never on line since"


def test_the_key_that_was_exchanged_counts_no_more(office, downlink):
    office.publish(prices=b"price list 1\n")
    downlink.take()
    stolen = office.keys["timestamp"]
    office.keys["timestamp"] = keyfiles.make(office.folder / "keys", "timestamp-2")
    office.repository.change_root({"timestamp": office.keys["timestamp"]}, office.root)
    office.repository.sign_again(office.keys)
    downlink.take()
    with pytest.raises(LedgerFault, match="not the one that the root names"):
        office.repository.renew(office.keys | {"timestamp": stolen})
    path = office.files / "metadata" / "timestamp.json"
    stamp = Metadata.from_file(str(path))
    stamp.signed.version += 1
    stamp.sign(stolen)
    path.write_bytes(stamp.to_bytes())
    assert "does not verify" in refused(downlink, "S-631")


def test_a_root_below_its_threshold(office, downlink):
    office.publish(prices=b"price list 1\n")
    downlink.take()
    with pytest.raises(LedgerFault, match=r"L-505.*wants 2 of its keys"):
        office.repository.change_root({}, office.root[:1])
    office.repository.change_root({}, office.root)
    path = office.files / "metadata" / "2.root.json"
    told = json.loads(path.read_text())
    told["signatures"] = told["signatures"][:1] * 2  # one key, counted twice
    path.write_text(json.dumps(told))
    assert "does not verify" in refused(downlink, "S-631")


def test_a_transfer_that_breaks_off_goes_on_where_it_was(office, downlink):
    office.publish(prices=b"0123456789" * 5_000)
    downlink.web.break_after = 20_000
    refused(downlink, "S-633")
    downlink.web.asked.clear()
    downlink.take()
    assert [asked for path, asked in downlink.web.asked if "prices" in path] == ["bytes=20000-"]
    assert offered(downlink) == {PRICES: b"0123456789" * 5_000}


def test_a_server_that_cannot_go_on_begins_again(office, downlink):
    office.publish(prices=b"0123456789" * 5_000)
    downlink.web.break_after, downlink.web.ranges = 20_000, False
    refused(downlink, "S-633")
    downlink.take()
    assert offered(downlink) == {PRICES: b"0123456789" * 5_000}


def test_nobody_answers_or_nothing_is_published_yet(tmp_path, office, downlink):
    downlink.web.away = True
    assert "cannot be reached" in refused(downlink, "S-633")
    downlink.web.away, downlink.web.folder = False, tmp_path / "empty"
    assert "is not there" in refused(downlink, "S-633")
    assert read_offer(downlink.place.folder).code == ""


def test_torn_files_of_an_earlier_round_are_nothing_to_go_by(office, downlink):
    office.publish(prices=b"price list 1\n")
    downlink.take()
    folder = downlink.place.folder
    for name in ("timestamp.json", "snapshot.json", "targets.json"):
        (folder / "metadata" / name).write_bytes(b"")
    (folder / "offer.json").write_bytes(b"{")
    for path in (folder / "files").iterdir():
        path.write_bytes(b"torn")
    downlink.take()
    assert offered(downlink) == {PRICES: b"price list 1\n"}


def test_the_same_from_a_stick(tmp_path, office, downlink):
    office.publish(prices=b"price list 1\n")
    stick = tmp_path / "stick"
    with pytest.raises(BatchRefused, match="S-633"):
        take_from_stick(downlink.place, stick, Calendar())
    shutil.copytree(office.files, stick / ON_STICK)
    take_from_stick(downlink.place, stick, Calendar())
    assert offered(downlink) == {PRICES: b"price list 1\n"}
    office.publish(prices=b"price list 2\n")
    downlink.take()
    with pytest.raises(BatchRefused, match="S-631"):  # the stick is older than what came by network
        take_from_stick(downlink.place, stick, Calendar())
    assert offered(downlink) == {PRICES: b"price list 2\n"}


def test_links_on_a_stick_lead_nowhere(tmp_path, office, downlink):
    stick = tmp_path / "stick"
    shutil.copytree(office.files, stick / ON_STICK)
    timestamp = stick / ON_STICK / "metadata" / "timestamp.json"
    for elsewhere in ("/dev/zero", str(office.files / "metadata" / "timestamp.json")):
        timestamp.unlink()
        timestamp.symlink_to(elsewhere)
        with pytest.raises(BatchRefused, match=r"S-633.*no file of the stick"):
            take_from_stick(downlink.place, stick, Calendar())


def test_what_comes_down_leaves_room_for_the_ledger(office, downlink, monkeypatch):
    office.publish(prices=b"price list 1\n")
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=128 << 20))
    with pytest.raises(LedgerFault, match=r"L-502.*no room"):
        downlink.take()
    assert offered(downlink) == {}
    monkeypatch.undo()
    downlink.take()
    assert offered(downlink) == {PRICES: b"price list 1\n"}


def test_without_a_root_or_while_another_round_runs(tmp_path, office, downlink):
    away = Place(tmp_path / "d", tmp_path / "no-root.json", "420100/0007")
    with pytest.raises(LedgerFault, match="L-505"):
        take_from_stick(away, tmp_path, Calendar())
    office.publish(prices=b"price list 1\n")
    answer = downlink.web.answer

    def meanwhile(request):
        with pytest.raises(LedgerFault, match="L-506"):
            take_from_stick(downlink.place, tmp_path, Calendar(), 0.3)
        return answer(request)

    downlink.web.answer = meanwhile
    downlink.take()
    assert offered(downlink) == {PRICES: b"price list 1\n"}


class Hand:
    """Time that moves only by waiting."""

    def __init__(self):
        self.ms, self.rests = 0, []

    def monotonic_ms(self):
        return self.ms

    def rest(self, seconds):
        self.rests.append(seconds)
        self.ms += round(seconds * 1000)


def test_what_comes_down_keeps_to_the_lines_limit(office, downlink):
    content = b"0123456789" * 50_000
    office.publish(prices=content)
    hand = Hand()
    downlink.take(pacing=Pacing(hand, 64, hand.rest))
    assert offered(downlink) == {PRICES: content}
    assert len(content) / 8_000 <= hand.ms / 1000 <= len(content) / 8_000 + 10, "metadata, too"


def test_what_broke_off_on_a_slow_line_is_not_paid_for_twice(office, downlink):
    office.publish(prices=b"0123456789" * 5_000)
    downlink.take(pacing=Pacing(hand := Hand(), 0, hand.rest))
    assert hand.rests == [], "without a limit nothing waits"
    office.publish(prices=b"9876543210" * 5_000)
    downlink.web.break_after = 40_000
    refused(downlink, "S-633")
    slow = Hand()
    downlink.take(pacing=Pacing(slow, 8, slow.rest))
    assert 10 <= slow.ms / 1000 < 15, "the last 10,000 bytes at 1,000 a second, and a little metadata"
    assert offered(downlink) == {PRICES: b"9876543210" * 5_000}
