"""Both halves of ccTalk for a bill validator, for the device kit.

The device keeps its accept counter without power: without it nobody can know of a note whose event was erased by a
power cut before it was read. What happens then is in test_cctalk_machine.py.
"""

from kiosk.devices.acceptor.cctalk.talk import CctalkSettings, CctalkTalk
from kiosk.devices.acceptor.cctalk.trade import NOTES
from kiosk.devices.acceptor.cctalk.voice_bills import BillVoice
from kiosk.devices.acceptor.validator import Phase

ANSWER_MS = 150
NEVER_SEEN = (Phase.POWER_UP, Phase.STACKED)  # it initializes itself, and its events need no answer


def make_talk(memory=b"", known=None):
    return CctalkTalk(NOTES, CctalkSettings(keeps_count=True), memory, known)


def make_voice(validator):
    return BillVoice(validator)
