"""TST drivers that break contract 1, each in one way; the kit must find it by the rule it breaks."""

from __future__ import annotations

from tst_driver import BACK, CLEAR, HEADER, KIND, MARK, OPEN, PURCHASE, READ, SLOTS, Card, Driver, Refused, number, u4

from kiosk.drivers.sdk import CardPortError


class AnswersBrokenFrames(Driver):
    def icard(self, icdev, send, password):
        return super().icard(icdev, send, password) or self.frame(0xD1, {0xFF01: b"\1"})


class CountsTheStartByte(Driver):
    def icard(self, icdev, send, password):
        if len(send) > 5 and send[-2] == sum(send[:-2]) & 0xFF:
            send = send[:-2] + bytes((sum(send[1:-2]) & 0xFF, 0x16))
        return super().icard(icdev, send, password)


class TakesItemsTwice(Driver):
    def unpack(self, data):
        items, at = {}, 0
        while at < len(data):
            di, size = number(data[at : at + 2]), number(data[at + 2 : at + 4])
            if at + 4 + size > len(data):
                raise Refused(0x01)
            items[di] = data[at + 4 : at + 4 + size]
            at += 4 + size
        return items


class MissingIsOne(Driver):
    def check_items(self, command, items):
        try:
            super().check_items(command, items)
        except Refused:
            raise Refused(0x01) from None


class ForgetsDescribesVersion(Driver):
    def describe(self):
        return {di: value for di, value in super().describe().items() if di != 0x0102}


class LooksAtNoFamily(Driver):
    def act(self, icdev, command, data, password):
        class Mine:
            def card_type(self):
                return 21 if icdev.card_type() else 0

            def __getattr__(self, name):
                return getattr(icdev, name)

        return super().act(icdev and Mine(), command, data, password)


class TakesAnyMark(Driver):
    def marking(self, command, image):
        try:
            return super().marking(command, image)
        except Refused:
            return []


class NeverMarks(Driver):
    def marking(self, command, image):
        if image[MARK : MARK + 4] != b"TST1":
            raise Refused(0x05)
        return []


class MarksAnything(Driver):
    def marking(self, command, image):
        blank = command in (0x12, 0x14, 0x16, 0x17) and image[MARK] in (0, 255)
        return [(MARK, b"TST1")] if blank and image[KIND] in (0, 255) else super().marking(command, image)


class LosesLeadingZeros(Driver):
    def plan_make(self, command, items, card):
        if 0x0203 in items:
            items = {**items, 0x0203: items[0x0203].lstrip(b"0") or b"0"}
        return super().plan_make(command, items, card)


class OpensTwice(Driver):
    def plan_make(self, command, items, card):
        if card.kind:
            card.kind = 0
        return super().plan_make(command, items, card)


class RefusesARepeatedOpen(Driver):
    def plan_make(self, command, items, card):
        if card.kind == 1:
            raise Refused(0x0B)
        return super().plan_make(command, items, card)


class OpensWithAnyCount(Driver):
    def plan_make(self, command, items, card):
        if command == OPEN and 0x0206 in items:
            items = {**items, 0x0206: u4(1)}
        return super().plan_make(command, items, card)


class WritesARepeatAgain(Driver):
    def plan_purchase(self, items, card):
        steps = super().plan_purchase(items, card)
        if steps is None:
            at = card.newest[0]
            return [(at + 13, items[0x0504])]
        return steps


class TakesAnotherValue(Driver):
    def plan_purchase(self, items, card):
        if number(items[0x0206]) == card.last and card.newest:
            return None
        return super().plan_purchase(items, card)


class LetsCountsJump(Driver):
    def plan_purchase(self, items, card):
        count = number(items[0x0206])
        if count > card.last + 1:
            card.last = count - 1
        return super().plan_purchase(items, card)


class BuysOverPending(Driver):
    def plan_purchase(self, items, card):
        if number(items[0x0206]) == card.last + 1:
            card.state = lambda: 0
        return super().plan_purchase(items, card)


class IgnoresRegion(Driver):
    def check_region(self, items, card):
        pass


class IgnoresMeterNumber(Driver):
    def check_person(self, items, card):
        if items[0x0203] != card.customer:
            raise Refused(0x09)


class CustomerBeforeRegion(Driver):
    def check_region(self, items, card):
        if 0x0203 in items and card.kind in (1, 3):
            self.check_person(items, card)
        super().check_region(items, card)


class ForgetsTheLimit(Driver):
    def check_value(self, items, limit, remaining):
        super().check_value(items, 0, 0)


class ForgetsWhatRemains(Driver):
    def check_value(self, items, limit, remaining):
        super().check_value(items, limit, 0)


class ValidByteFirst(Driver):
    def record_steps(self, at, slot):
        return [(at, slot)]


class KindBeforeContent(Driver):
    def plan_make(self, command, items, card):
        steps = super().plan_make(command, items, card)
        return steps and [steps[-1], *steps[:-1]]


class ClearsFromTheBack(Driver):
    def plan_clear(self, items, card):
        steps = super().plan_clear(items, card)
        return steps and [(BACK, b"\0"), (SLOTS[0], b"\0"), (SLOTS[1], b"\0"), *steps]


class NeverReadsBack(Driver):
    def carry_out(self, icdev, image, steps):
        wanted = bytearray(image)
        for at, data in steps:
            wanted[at : at + len(data)] = data
        try:
            for at, data in steps:
                icdev.write(0, at, data)
        except CardPortError:
            raise Refused(0x11, 2) from None
        return bytes(wanted)


class SaysUnchanged(Driver):
    def carry_out(self, icdev, image, steps):
        try:
            return super().carry_out(icdev, image, steps)
        except Refused as fault:
            raise Refused(0x10, 0) if fault.code == 0x11 else fault from None


class RisksTheLastTry(Driver):
    def secret(self, icdev, password):
        class Brave:
            def tries_left(self, which):
                return 3

            def verify(self, which, secret):
                icdev.verify(which, secret)

        super().secret(Brave(), password)


class RisksTheLastTryWhenOpening(Driver):
    def act(self, icdev, command, data, password):
        self.opening = command == OPEN
        return super().act(icdev, command, data, password)

    def secret(self, icdev, password):
        if self.opening:
            icdev.verify(0, bytes.fromhex(password))
        else:
            super().secret(icdev, password)


class RemembersWhatItSold(Driver):
    """Repeats an answer from memory; what stands on the card it looks at only for counts it has not sold."""

    def __init__(self):
        self.sold = {}

    def plan_purchase(self, items, card):
        key = (card.meter, items[0x0206], items[0x0207], items[0x0208])
        if number(items[0x0206]) == card.last and key not in self.sold:
            raise Refused(0x0D)
        steps = super().plan_purchase(items, card)
        self.sold[key] = True
        return steps


class CrashesOnLongItems(Driver):
    def unpack(self, data):
        at = 0
        while at + 4 <= len(data) < 2000:
            size = number(data[at + 2 : at + 4])
            if size > 1000:
                raise IndexError("no such byte")
            at += 4 + size
        return super().unpack(data)


class NeverFreesATornRecord(Driver):
    """CLEAR is refused while a record is half written, whoever insists."""

    def plan_clear(self, items, card):
        if card.image[SLOTS[0]] == 0 and card.image[SLOTS[0] + 1 : SLOTS[0] + 5].strip(b"\xff"):
            raise Refused(0x0C)
        return super().plan_clear(items, card)


class FreesADamagedCardStepByStep(Driver):
    """Its records first: on the way it is an opened card of nobody."""

    def plan_clear(self, items, card):
        if not card.damaged:
            return super().plan_clear(items, card)
        steps = [(SLOTS[0], b"\0"), (SLOTS[1], b"\0"), (BACK, b"\0"), (HEADER, bytes(60)), (KIND, b"\1")]
        return [*steps, (KIND, b"\xff")]


class SecretFirst(Driver):
    def plan(self, command, items, card):
        if command == PURCHASE and card.kind in (1, 3):
            self.secret(self.icdev, self.password)
        return super().plan(command, items, card)

    def icard(self, icdev, send, password):
        self.icdev, self.password = icdev, password
        return super().icard(icdev, send, password)


class TriesMalformed(Driver):
    def secret(self, icdev, password):
        try:
            bytes.fromhex(password)
        except ValueError:
            password = password.encode().hex().ljust(6, "0")[:6]
        super().secret(icdev, password)


class WritesOnRead(Driver):
    def act(self, icdev, command, data, password):
        answer = super().act(icdev, command, data, password)
        if command == READ:
            self.secret(icdev, password)
            icdev.write(0, 250, b"\x01")
        return answer


class CrashesOnLengths(Driver):
    def act(self, icdev, command, data, password):
        if command == READ and icdev.card_type() == 21:
            image = self.read_image(icdev)
            if image[MARK : MARK + 4] == b"TST1" and image[KIND] == 1 and image[40] > 8:
                raise IndexError("region")
        return super().act(icdev, command, data, password)


class WritesOverDamage(Driver):
    def act(self, icdev, command, data, password):
        try:
            return super().act(icdev, command, data, password)
        except Refused as fault:
            if fault.code == 0x13 and command == PURCHASE:
                self.secret(icdev, password)
                icdev.write(0, SLOTS[0], b"\0")
            raise


class DamagedWriteBackIsThirteen(Driver):
    def act(self, icdev, command, data, password):
        if command != 0x10 and icdev.card_type() == 21:
            card = Card(self.read_image(icdev))
            if card.back_damaged and card.image[MARK : MARK + 4] == b"TST1":
                raise Refused(0x13)
        return super().act(icdev, command, data, password)


class TouchesTheIssuerBytes(Driver):
    def carry_out(self, icdev, image, steps):
        return super().carry_out(icdev, image, [*steps[:1], (30, b"\0"), *steps[1:]])


class ReversesTaken(Driver):
    def plan_reverse(self, items, card):
        card.back = None
        return super().plan_reverse(items, card)


class RefusesARepeatedReverse(Driver):
    def plan_reverse(self, items, card):
        if number(items[0x0206]) > card.last:
            raise Refused(0x0D)
        return super().plan_reverse(items, card)


class ClearsPending(Driver):
    def plan_clear(self, items, card):
        return super().plan_clear({**items, 0x0505: b"\1"}, card)


class AnswersClearAsAfter(Driver):
    def act(self, icdev, command, data, password):
        answer = super().act(icdev, command, data, password)
        if command == CLEAR:
            return Card(self.read_image(icdev)).items()
        return answer


class NarrowCount(Driver):
    def act(self, icdev, command, data, password):
        answer = super().act(icdev, command, data, password)
        if 0x0209 in answer:
            answer[0x0302] = answer.get(0x0302, bytes(4))[2:] if 0x0302 in answer else b"\0\0"
        return answer


class ForgetsState(Driver):
    def act(self, icdev, command, data, password):
        answer = super().act(icdev, command, data, password)
        answer.pop(0x0209, None)
        return answer


class UnknownCommandIsOne(Driver):
    def act(self, icdev, command, data, password):
        if command not in self.commands:
            raise Refused(0x01)
        return super().act(icdev, command, data, password)


class TakesLongFrames(Driver):
    def icard(self, icdev, send, password):
        return super().icard(icdev, self.frame(send[1], {}) if len(send) > 2054 else send, password)


class RefusesTheLongestFrame(Driver):
    def icard(self, icdev, send, password):
        return b"" if len(send) == 2054 else super().icard(icdev, send, password)


class TakesTwoPricesForOneStep(Driver):
    def well_formed(self, di, value):
        if di == 0x0410 and value and len(value) % 8 == 0:
            return len({value[at : at + 8] for at in range(0, len(value), 8)}) == len(value) // 8
        return super().well_formed(di, value)


class LooksAtThreeMarkBytes(Driver):
    def marking(self, command, image):
        return super().marking(command, image[: MARK + 3] + b"1" + image[MARK + 4 :])


class WantsAllBytesAlike(Driver):
    def marking(self, command, image):
        if image[MARK : MARK + 4] != b"TST1" and len(set(image[MARK:256])) > 1:
            raise Refused(0x05)
        return super().marking(command, image)


class LimitBeforePending(Driver):
    def plan_purchase(self, items, card):
        if number(items[0x0206]) == card.last + 1:
            self.check_value(items, card.limit, 0)
        return super().plan_purchase(items, card)


class PasswordBeforeTries(Driver):
    def secret(self, icdev, password):
        if password == "!":
            raise Refused(0x06)
        super().secret(icdev, password)


class LosesADamagedWriteBack(Driver):
    def read_image(self, icdev):
        image = super().read_image(icdev)
        card = Card(image)
        lost = card.back_damaged and not card.damaged
        return image[:BACK] + b"\0" + image[BACK + 1 :] if lost else image


class ForgetsTheMetersCount(Driver):
    commands = bytes((0x10, 0x11, OPEN, PURCHASE))

    def act(self, icdev, command, data, password):
        answer = super().act(icdev, command, data, password)
        if 0x0302 in answer:
            card = Card(self.read_image(icdev))
            answer[0x0206] = u4(max(card.base, number(card.newest[1][1:5]) if card.newest else 0))
        return answer


class OpensAgainWithAnotherLimit(Driver):
    def plan_make(self, command, items, card):
        if card.kind == 1 and 0x0401 in items:
            items = {**items, 0x0401: u4(card.limit)}
        return super().plan_make(command, items, card)


class RefusesARepeatedOpenWithALimit(Driver):
    def plan_make(self, command, items, card):
        if card.kind == 1 and 0x0401 in items:
            raise Refused(0x0B)
        return super().plan_make(command, items, card)


class ReissuesOverAnOldWriteBack(Driver):
    def plan_make(self, command, items, card):
        steps = super().plan_make(command, items, card)
        return steps and [step for step in steps if command == OPEN or step[0] != BACK]


class TriesBeforeARepeat(Driver):
    def plan_purchase(self, items, card):
        steps = super().plan_purchase(items, card)
        if steps is None:
            self.secret(self.icdev, self.password)
        return steps

    def icard(self, icdev, send, password):
        self.icdev, self.password = icdev, password
        return super().icard(icdev, send, password)
