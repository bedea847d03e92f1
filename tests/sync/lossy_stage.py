"""A slow and lossy telephone line between two machines that are one: each end has a network of its own.

    unshare --net python lossy_stage.py --far COMMAND --near COMMAND [--bit-s 9600] [--loss 30] [--seed 1]

Not every kernel has netem, so the line is made here: a TUN device in each of two network namespaces, and
between them a modem that takes IP packets, keeps a short queue, lets each occupy the line for its bits at the line's
speed, and loses a share of them, both ways, by dice with a seed. TCP at both ends is the kernel's own.
The command at the far end is started before the one at the near end. All ends when standard input does; then what was
carried is printed as one line of JSON.
"""

import argparse
import fcntl
import heapq
import json
import os
import random
import select
import shlex
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter

NEAR, FAR = "10.96.0.1", "10.96.0.2"
MTU = 576
QUEUE_MAX = 12  # packets of full length that wait in the modem; what comes on top is dropped
DELAY_S = 0.15
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def line_end(address, peer):
    """A TUN device in the network that we are in."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"line", IFF_TUN | IFF_NO_PI))
    for words in ("link set lo up", f"address add {address} peer {peer} dev line", f"link set line mtu {MTU} up"):
        subprocess.run(["ip", *words.split()], check=True)
    with open("/proc/sys/net/ipv4/tcp_congestion_control", "w") as file:
        file.write("reno")  # slows down at every loss, as most do; every kernel has it
    return device


class Direction(threading.Thread):
    """One way through the modem."""

    def __init__(self, source, target, args, seed):
        super().__init__(daemon=True)
        self.source, self.target, self.bit_s, self.loss = source, target, args.bit_s, args.loss
        self.dice, self.told = random.Random(seed), Counter()
        self.leaving, self.free_at = [], time.monotonic()  # (when it has crossed the line, number, packet)

    def run(self):
        poll = select.poll()
        poll.register(self.source, select.POLLIN)
        while True:
            now = time.monotonic()
            while self.leaving and self.leaving[0][0] <= now:
                os.write(self.target, heapq.heappop(self.leaving)[2])
            wait_ms = max(1, int((self.leaving[0][0] - now) * 1000)) if self.leaving else None
            if poll.poll(wait_ms):
                self.take(os.read(self.source, 65_536), time.monotonic())

    def take(self, packet, now):
        if packet[0] >> 4 != 4:
            return  # the kernel's own IPv6
        if self.free_at - now > QUEUE_MAX * MTU * 8 / self.bit_s:
            self.told["dropped"] += 1
            return
        self.free_at = max(now, self.free_at) + len(packet) * 8 / self.bit_s  # a lost one takes its time as well
        self.told.update(packets=1, bytes=len(packet))
        if self.dice.random() * 100 < self.loss:
            self.told["lost"] += 1
        else:
            heapq.heappush(self.leaving, (self.free_at + DELAY_S, self.told["packets"], packet))


def dying_with_us(command):
    return ["setpriv", "--pdeathsig", "KILL", *command]


def far(args):
    with socket.socket(fileno=args.handle) as line:
        socket.send_fds(line, [b"x"], [line_end(FAR, NEAR)])
    os.execvp("sh", ["sh", "-c", f"exec {args.far}"])


def near(args):
    device = line_end(NEAR, FAR)
    ours, theirs = socket.socketpair()
    again = ["unshare", "--net", sys.executable, __file__, "--handle", str(theirs.fileno()), "--far", args.far]
    other_end = subprocess.Popen(dying_with_us(again), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()
    _, (other_device,), _, _ = socket.recv_fds(ours, 1, 1)
    ways = [Direction(device, other_device, args, args.seed), Direction(other_device, device, args, args.seed + 1)]
    for way in ways:
        way.start()
    this_end = subprocess.Popen(dying_with_us(shlex.split(args.near)), stdin=subprocess.DEVNULL)
    sys.stdin.read()
    for child in (this_end, other_end):
        child.kill()
        child.wait()
    sys.stdout.write(json.dumps([dict(way.told) for way in ways]) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--far", required=True)
    parser.add_argument("--near", default="")
    parser.add_argument("--handle", type=int, default=-1)
    parser.add_argument("--bit-s", type=int, default=9600)
    parser.add_argument("--loss", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    (near if args.handle < 0 else far)(args)


if __name__ == "__main__":
    main()
