"""TST's meter: conformance/meter.py of the tests' own vendor."""

MEMORY = {}
SECRET = bytes.fromhex("A1B2C3")


def number(data):
    return int.from_bytes(data, "big")


def insert(icdev, seconds=3, use=0):
    image = icdev.read(0, 0, 256)
    size = image[40 + 30]
    meter = image[40 + 31 : 40 + 31 + size]
    base = number(image[40 + 51 : 40 + 55])
    count, remaining, total = MEMORY.get(meter, (base, 0, 0))
    back = image[170:188]
    if back[0] == 0x5A and sum(back[1:17]) & 0xFF == back[17]:
        count, remaining, total = number(back[1:5]), int.from_bytes(back[5:9], "big", signed=True), number(back[9:17])
    if image[36] not in (1, 3) or seconds < 3:
        return {"count": count, "remaining": remaining}
    remaining -= use
    for at in (104, 134):
        slot = image[at : at + 30]
        if slot[0] == 0xA5 and number(slot[1:5]) == count + 1:
            count, remaining, total = count + 1, remaining + number(slot[5:9]), total + number(slot[5:9])
            break
    MEMORY[meter] = (count, remaining, total)
    content = count.to_bytes(4, "big") + remaining.to_bytes(4, "big", signed=True) + total.to_bytes(8, "big")
    icdev.verify(0, SECRET)
    icdev.write(0, 170, b"\0")
    icdev.write(0, 171, content + bytes((sum(content) & 0xFF,)))
    icdev.write(0, 170, b"\x5a")
    return {"count": count, "remaining": remaining}
