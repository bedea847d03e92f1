"""Both halves of ID003, for the device kit."""

from kiosk.devices.acceptor.id003.talk import Id003Talk
from kiosk.devices.acceptor.id003.voice import Id003Voice

ANSWER_MS = 150  # how long the talk waits for an answer


def make_talk(memory=b"", known=None):
    return Id003Talk(memory)


def make_voice(validator):
    return Id003Voice(validator)
