"""Both halves of SSP, for the device kit; ``PLAIN``: the same for a device that cannot acknowledge."""

import random

from kiosk.devices.acceptor.ssp.talk import SspTalk, TalkSettings
from kiosk.devices.acceptor.ssp.voice import SspVoice, VoiceSettings

ANSWER_MS = 1_000  # how long the talk waits for an answer
PLAIN = VoiceSettings(acknowledges=False)


def make_talk(memory=b"", known=None, settings=TalkSettings(), seed=None):
    return SspTalk(settings) if seed is None else SspTalk(settings, below(seed))


def make_voice(validator, settings=VoiceSettings(), seed=None):
    return SspVoice(validator, settings) if seed is None else SspVoice(validator, settings, below(seed))


def make_plain_voice(validator):
    return make_voice(validator, PLAIN)


def below(seed):
    return random.Random(seed).randrange
