"""Both halves of ccTalk for a coin acceptor, in CRC mode. The machine is a CoinMachine, not a Validator."""

from kiosk.devices.acceptor.cctalk.line import LineSettings
from kiosk.devices.acceptor.cctalk.talk import CctalkSettings, CctalkTalk
from kiosk.devices.acceptor.cctalk.trade import COINS
from kiosk.devices.acceptor.cctalk.voice import Plate
from kiosk.devices.acceptor.cctalk.voice_coins import CoinVoice

ANSWER_MS = 150
MACHINE = "coins"  # the device kit's own machine takes notes: this pair is not for it


def make_talk(memory=b"", known=None):
    return CctalkTalk(COINS, CctalkSettings(line=LineSettings(check="crc")), memory, known)


def make_voice(machine):
    return CoinVoice(machine, Plate(serial=7654321, check="crc"))
