"""Both halves of CCNET, for the device kit."""

from kiosk.devices.acceptor.ccnet.talk import CcnetTalk
from kiosk.devices.acceptor.ccnet.voice import CcnetVoice

SLOW_MS = 590  # how long question and answer may take together


def make_talk(memory=b"", known=None):
    return CcnetTalk(memory)


def make_voice(validator):
    return CcnetVoice(validator)
