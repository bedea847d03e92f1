"""One pair of entries an outage: however often a device says it, over restarts, and when the disk was full."""

import pytest
from world import World

from kiosk.model.cash import Mark
from kiosk.sale import events as on
from kiosk.sale.effects import SetTimer
from kiosk.sale.flapping import OFTEN, QUIET_MS, WITHIN_MS
from kiosk.sale.machine import step
from kiosk.sale.state import Rules


def told(world):
    return [
        (entry.kind.removeprefix("device."), *(entry.data.get(key) for key in ("device", "code", "ms")))
        for entry in world.entries
        if entry.kind.startswith("device.") and entry.kind != "device.counted"
    ]


def say(world, event, now_ms):
    """An event at a moment of the clock that never falls."""
    world.now_ms = now_ms
    world.say(event)


@pytest.mark.parametrize(
    ("device", "code"),
    [
        ("reader", "V-402"),
        ("acceptor", "V-411"),
        ("coins", "V-418"),
        ("printer", "V-422"),
        ("disk", "L-502"),
        ("clock", "V-431"),
        ("heat", "V-432"),
        ("head-office", "L-503"),
        ("lists", "F-716"),
    ],
)
def test_every_device_has_one_pair_an_outage_with_why_and_how_long(device, code):
    world = World(Rules(coins_fen=(100,)))
    for at in range(5):
        say(world, on.DeviceDown(device, code), 1_000 + 2_000 * at)
    for at in range(5):
        say(world, on.DeviceUp(device), 61_500 + at)
    assert told(world) == [("down", device, code, None), ("up", device, code, 60_500)]
    say(world, on.DeviceDown(device, code), 70_000)
    say(world, on.DeviceUp(device), 71_000)
    assert told(world)[2:] == [("down", device, code, None), ("up", device, code, 1_000)]


def test_an_outage_that_goes_on_over_a_restart_is_one():
    world = World()
    world.paper = False
    world.cut()
    world.cut()
    world.say(on.DeviceDown("disk", "L-502"))
    world.cut()
    world.say(on.DeviceDown("disk", "L-502"))
    assert told(world) == [("down", "printer", "V-422", None), ("down", "disk", "L-502", None)]
    world.paper = True
    world.cut()
    world.say(on.DeviceUp("disk"))
    assert told(world)[2:] == [("up", "printer", "V-422", None), ("up", "disk", "L-502", None)]
    assert world.phase == "Idle"


def test_another_reason_is_told_and_the_outage_goes_on():
    world = World()
    for now_ms, code in ((0, "V-411"), (10, "V-412"), (20, "V-412")):
        say(world, on.DeviceDown("acceptor", code), now_ms)
    say(world, on.DeviceUp("acceptor"), 100)
    assert told(world) == [
        ("down", "acceptor", "V-411", None),
        ("down", "acceptor", "V-412", None),
        ("up", "acceptor", "V-412", 100),
    ]


def test_a_pause_after_tampering_ends_with_a_restart_and_so_does_its_outage():
    world = World().say(on.FraudSeen("acceptor", "string"))
    world.cut()
    assert told(world) == [("down", "fraud", "V-416", None), ("up", "fraud", "V-416", None)]
    assert world.state.books.outages == {} and world.phase == "Idle"


def test_a_coin_acceptor_that_was_taken_away_is_not_out_for_ever():
    world = World(Rules(coins_fen=(100,))).say(on.DeviceDown("coins", "V-418"))
    world.rules = Rules()
    world.cut()
    assert told(world)[-1] == ("up", "coins", "V-418", None)


def test_what_began_and_ended_while_the_ledger_took_nothing_is_told_when_it_does_again():
    world = World(Rules(coins_fen=(100,)))
    world.say(on.DeviceUp("coins"), on.DeviceDown("heat", "V-432"))
    world.disk_full = True
    say(world, on.DeviceDown("printer", "V-421"), 5_000)
    say(world, on.DeviceUp("heat"), 6_000)
    say(world, on.DeviceDown("coins", "V-418"), 7_000)
    say(world, on.DeviceDown("clock", "V-431"), 7_000)
    say(world, on.DeviceUp("clock"), 8_000)
    assert told(world) == [("down", "heat", "V-432", None)]
    world.disk_full = False
    say(world, on.TimerFired("ledger"), 9_000)
    assert told(world)[1:] == [
        ("down", "ledger", "L-502", None),
        ("up", "ledger", "L-502", 4_000),
        ("down", "coins", "V-418", None),
        ("up", "heat", "V-432", 9_000),
        ("down", "printer", "V-421", None),
    ]
    say(world, on.DeviceUp("printer"), 12_000)
    assert told(world)[-1] == ("up", "printer", "V-421", 7_000)
    assert world.phase == "Idle"


def test_a_ledger_that_still_takes_nothing_is_one_outage():
    world = World()
    world.disk_full = True
    say(world, on.FraudSeen("acceptor", "string"), 1_000)
    for now_ms in (2_000, 7_000):
        say(world, on.TimerFired("ledger"), now_ms)
    world.disk_full = False
    say(world, on.TimerFired("ledger"), 12_000)
    assert ("up", "ledger", "L-502", 11_000) in told(world)
    assert [row[0] for row in told(world) if row[1] == "ledger"] == ["down", "up"]


def test_outages_change_nothing_about_money():
    world = World(Rules(coins_fen=(100,))).say(on.DeviceUp("coins")).buy(10_000, 5000)
    world.say(on.DeviceDown("coins", "V-418"), on.CoinTaken(100, mark=Mark("C7", 1)), on.DeviceDown("printer", "V-421"))
    world.say(on.DeviceUp("printer"), on.Finish())
    assert world.balance("cash:box") == 5100 == -world.balance("sold:")


def flap(world, device, times, now_ms, code="V-411"):
    """Down and up again, a second each; the time afterwards."""
    for _ in range(times):
        say(world, on.DeviceDown(device, code), now_ms)
        say(world, on.DeviceUp(device), now_ms + 500)
        now_ms += 1_000
    return now_ms


@pytest.mark.parametrize(("device", "code"), [("acceptor", "V-411"), ("coins", "V-418"), ("prices", "F-711")])
def test_a_device_that_comes_and_goes_is_told_a_few_times_and_then_once_with_a_count(device, code):
    world = World(Rules(coins_fen=(100,)))
    world.say(on.DeviceUp("coins"))
    now_ms = flap(world, device, 1_000, 10_000, code)
    assert len(told(world)) == 2 * OFTEN - 1, "however often it does"
    assert world.state.down == {} and world.phase == "Idle", "selling goes by what is so"
    quiet = now_ms - 500 + QUIET_MS
    say(world, on.TimerFired("flaps"), quiet - 1)
    assert len(told(world)) == 2 * OFTEN - 1
    say(world, on.TimerFired("flaps"), quiet)
    (last,) = told(world)[2 * OFTEN - 1 :]
    assert last == ("up", device, code, quiet - 10_000 - 1_000 * (OFTEN - 1))
    assert world.entries[-1].data["flaps"] == 1_000 - OFTEN
    assert world.state.books.outages == {}
    say(world, on.TimerFired("flaps"), quiet + QUIET_MS)
    assert len(told(world)) == 2 * OFTEN, "told once"


def test_a_device_that_flaps_and_is_down_when_the_time_is_up_stays_down():
    world = World()
    now_ms = flap(world, "reader", OFTEN, 0, "V-402")
    for code in ("V-402", "V-403", "V-402"):
        say(world, on.DeviceDown("reader", code), now_ms)
    say(world, on.TimerFired("flaps"), now_ms + 2 * QUIET_MS)
    assert world.state.down == {"reader": "V-402"} and len(told(world)) == 2 * OFTEN - 1
    say(world, on.DeviceUp("reader"), now_ms + 3 * QUIET_MS)
    say(world, on.TimerFired("flaps"), now_ms + 4 * QUIET_MS)
    assert told(world)[-1][0] == "up" and world.entries[-1].data["flaps"] == 3


def test_the_timer_goes_with_every_coming_back_and_saying_it_again_does_not_wind_it_up():
    world = World()
    now_ms = flap(world, "heat", OFTEN, 0, "V-432")
    state, effects = step(world.state, on.DeviceDown("heat", "V-432"), on.Stamp(bytes(16), "", now_ms))
    assert effects == ()
    state, effects = step(state, on.DeviceUp("heat"), on.Stamp(bytes(16), "", now_ms))
    assert effects == (SetTimer("flaps", QUIET_MS),)
    assert step(state, on.DeviceUp("heat"), on.Stamp(bytes(16), "", now_ms + 2_000)) == (state, ())


def test_outages_far_apart_are_told_each_for_itself():
    world = World()
    for number in range(3 * OFTEN):
        flap(world, "printer", 1, number * (WITHIN_MS // (OFTEN - 1) + 1_000), "V-422")
    assert len(told(world)) == 6 * OFTEN and all("flaps" not in entry.data for entry in world.entries)


def test_a_device_that_begins_again_after_its_count_was_told_is_hidden_at_once():
    world = World()
    now_ms = flap(world, "reader", OFTEN, 0, "V-402") + QUIET_MS
    say(world, on.TimerFired("flaps"), now_ms)
    flap(world, "reader", 100, now_ms, "V-402")
    assert len(told(world)) == 2 * OFTEN + 1, "one more outage, that stays open"


def test_a_restart_tells_how_it_stands():
    world = World()
    flap(world, "disk", OFTEN + 1, 0, "L-502")
    assert world.state.books.outages == {"disk": "L-502"}
    world.cut()
    world.say(on.DeviceUp("disk"))
    assert told(world)[-1][:2] == ("up", "disk") and world.state.books.outages == {} and world.phase == "Idle"


def test_what_flaps_while_the_ledger_takes_nothing_is_not_told_twice():
    world = World()
    now_ms = flap(world, "heat", OFTEN, 0, "V-432")
    world.disk_full = True
    say(world, on.DeviceDown("printer", "V-421"), now_ms)
    say(world, on.DeviceDown("heat", "V-432"), now_ms + 1)
    say(world, on.DeviceUp("heat"), now_ms + 2)
    say(world, on.TimerFired("flaps"), now_ms + 2 + QUIET_MS)
    world.disk_full = False
    say(world, on.TimerFired("ledger"), now_ms + 3 + QUIET_MS)
    assert world.state.books.outages == {"heat": "V-432", "printer": "V-421"}
    say(world, on.TimerFired("flaps"), now_ms + 4 + 2 * QUIET_MS)
    assert world.state.books.outages == {"printer": "V-421"} and world.entries[-1].data["flaps"] == 1
