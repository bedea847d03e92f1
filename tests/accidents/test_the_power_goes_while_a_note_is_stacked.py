"""停电了，一张纸币正被压进钞箱 · The power goes while a note is being stacked

At 3 a.m. the power of kiosk and acceptor goes while a note is on its way, and comes back; the customer has taken
the card.
The ledger knew of the note before it moved, and the acceptor says at its power-up where it lies: it is credited
once, or it is back in the customer's hand.
The customer reads that the power failed and how much is recorded; the attendant has nothing to do.
"""

from scene import NOTE_FEN, Phase
from stage import VENDORS

SAFE = (["刚才断电了", "您已付 ¥20", "不会丢"], ["The power failed", "You have paid ¥20", "cannot be lost"])


ON_ITS_WAY = (Phase.STACKING, "stacker")  # no way back for the note; not yet in the box
MOMENTS = (
    (Phase.ACCEPTING, "validator"),
    (Phase.ESCROW, "validator"),
    (Phase.STACKING, "validator"),
    ON_ITS_WAY,
    (Phase.STACKED, "stacker"),
)


def blackout(world, moment):
    """The power of kiosk and acceptor goes when the note is so far."""

    def goes():
        look = world.acceptor.look
        if (look.phase, look.place) == moment:
            world.acceptor.power_off()
            world.kiosk.pull_plug()
            return True
        return False

    return goes


def test_it_goes_at_every_moment_of_the_note(scene):
    it = scene(VENDORS["nlt"])
    for moment in MOMENTS:
        customer = it.customer()
        customer.visit(may_end=blackout(it.world, moment))
        assert it.power.off()
        if moment is ON_ITS_WAY:
            it.happens(
                ("停电；用户取走了卡；来电", "The power goes; the customer takes the card; the power comes back")
            )
            it.world.pull()
        it.world.acceptor.power_on()
        it.power.start()
        if moment is ON_ITS_WAY:
            it.sees("put-back-resumed", *SAFE)
        assert customer.visit().startswith("done")
        assert customer.paid_fen == NOTE_FEN
        if moment is ON_ITS_WAY:
            it.sees("done", ["购电成功", "¥20"], ["Your card is loaded", "¥20"])
        it.money()
        it.no_note_is_lost()
    it.attends()
    it.slip(len(MOMENTS))
