"""A machine of paper: what the talk asks is looked at, and any answer can be given."""

from kiosk.devices.acceptor.id003 import wire
from kiosk.devices.acceptor.id003.dialogue import DialogueSettings
from kiosk.devices.acceptor.id003.talk import Id003Talk, TalkSettings

VERSION = b"\x88i(CHN)100-SS ID003-05V280-42 01AUG17 964D"
NAME = VERSION[1:].decode()
TABLE = wire.encode_currency({0x61: 100, 0x62: 500, 0x63: 1000, 0x64: 2000, 0x65: 5000, 0x66: 10_000})
ALL = frozenset({500, 1000, 2000, 5000, 10_000})
SETTINGS = TalkSettings(dialogue=DialogueSettings())


def h(text):
    return bytes.fromhex(text)


class Line:
    """Answers settings with their echo, operations with ACK, questions with what it is; statuses come from the test."""

    def __init__(self, memory=b"", version=VERSION, table=TABLE):
        self.talk, self.now = Id003Talk(memory, SETTINGS), 1_000_000
        self.version, self.table = version, table
        self.sent, self.told = [], []
        self.refused = set()
        self.talk.opened(self.now)

    def asked(self):
        """The next thing that is sent, however long it takes."""
        for _ in range(10_000):
            sent = self.talk.wake(self.now)
            self.told += self.talk.events()
            if sent:
                [body] = wire.Decoder().feed(sent)
                self.sent.append(body)
                return body
            self.now = max(self.now + 1, self.talk.due_ms())
        raise AssertionError("it asks nothing")

    def say(self, *bodies):
        self.talk.received(b"".join(wire.encode(body) for body in bodies), self.now)
        self.told += self.talk.events()

    def status(self, *statuses):
        """Each answers one status request; what else is asked between them is answered as it should be."""
        for status in statuses:
            self.until_status()
            self.say(h(status))

    def until_status(self):
        for _ in range(50):
            body = self.asked()
            if body == wire.STATUS:
                return
            if body != bytes((wire.ACK,)):
                self.say(self.answer(body))
        raise AssertionError("it does not ask for the status")

    def answer(self, body):
        if body[0] in self.refused:
            return bytes((wire.INVALID_COMMAND,))
        known = {wire.VERSION: self.version, wire.CURRENCY: self.table}
        return known.get(body[0], body if body[0] in wire.SETTINGS else bytes((wire.ACK,)))

    def silence(self, questions):
        for _ in range(questions):
            self.asked()
        self.now += 1_000
        self.talk.wake(self.now)
        self.told += self.talk.events()

    def commands(self):
        """What was sent besides status requests, since the last look."""
        sent, self.sent = [body for body in self.sent if body != wire.STATUS], []
        return sent

    def heard(self):
        told, self.told = self.told, []
        return told

    def up(self, wanted=ALL):
        """A machine that idles, open for these."""
        self.status("1A", *["1A"] * 3)
        self.talk.settled()
        self.talk.want(wanted)
        self.status(*["1A"] * 8, "11", "11")
        self.heard()
        self.commands()
        return self
