"""Cards in an OMNIKEY reader behind a real pcscd; prints what was seen as JSON. Run by test_omnikey.py."""

import json
import queue
import sys
from pathlib import Path

from kiosk.devices.reader.events import CardInserted, ReaderUp
from kiosk.devices.reader.host import CardReader
from kiosk.devices.reader.omnikey.face import OmnikeyFace
from kiosk.devices.reader.pcscd import PrivatePcscd
from kiosk.devices.reader.settings import ReaderSettings
from kiosk.devices.reader.virtual.at24 import At24
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.card import CardType
from kiosk.model.cardport import CardPortError

NAME = "HID Global OMNIKEY 3x21 Smart Card Reader"
SECRETS = {"SLE4442": b"\x1a\x2b\x3c", "SLE4428": b"\x1a\x2b"}
TEXT = bytes(range(50))
EEPROMS = (CardType.AT24C01, CardType.AT24C04, CardType.AT24C16)
CHIPS = {
    "SLE4442": Sle4442(secret=SECRETS["SLE4442"]),
    "SLE4428": Sle4428(secret=SECRETS["SLE4428"]),
    **{each.name: At24(each, bytes(range(1, 129)) * (At24(each).size // 128)) for each in EEPROMS},
}


def visited(name, chip, session):
    port, seen = session.port, {"type": session.card_type}
    if name in SECRETS:
        tries = [port.tries_left(0)]
        try:
            port.verify(0, bytes(len(SECRETS[name])))
        except CardPortError as fault:
            seen["denied"] = fault.code
        tries.append(port.tries_left(0))
        port.verify(0, SECRETS[name])
        seen["tries"] = [*tries, port.tries_left(0)]
    port.write(0, 33, TEXT)
    seen["read"] = port.read(0, 33, len(TEXT)) == TEXT
    size = 128 if name == "AT24C01" else 256
    session.power_afresh()
    seen["equal"] = session.port.read(0, 0, size) == chip.read(0, 0, size)
    return seen


def main(folder):
    with PrivatePcscd(Path(folder), name=NAME) as service:
        events = queue.Queue()
        reader = CardReader(ReaderSettings("OMNIKEY", str(service.socket), 100), events.put)
        reader.start()
        up = next(event for event in iter(lambda: events.get(timeout=20), None) if isinstance(event, ReaderUp))
        slot, cards = service.reader(0), {}
        for name, chip in CHIPS.items():
            slot.insert(OmnikeyFace(chip))
            came = next(
                event for event in iter(lambda: events.get(timeout=20), None) if isinstance(event, CardInserted)
            )
            cards[name] = reader.submit(came.session, lambda session, n=name, c=chip: visited(n, c, session)).result(20)
            slot.remove()
        reader.close()
        sys.stdout.write(json.dumps({"reader": up.name, "cards": cards}))


main(sys.argv[1])
