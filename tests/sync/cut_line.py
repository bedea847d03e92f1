"""A TCP line that is cut at a chosen byte, on the way there or on the way back."""

import select
import socket
import struct
import threading
from contextlib import suppress

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


class CutLine:
    """Carries connections to ``port`` on the loopback. ``cut`` sets where the next ones are torn."""

    def __init__(self, port):
        self.port = port
        self.up_max = self.down_max = None  # bytes that are let through; None: all
        self.reset = False
        self.up, self.down, self.answered = 0, 0, False  # of the present connection
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run)

    def cut(self, up=None, down=None, reset=False):
        self.up_max, self.down_max, self.reset = up, down, reset

    def run(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            with near, socket.create_connection(("127.0.0.1", self.port)) as far:
                with suppress(OSError):
                    self.carry(near, far)
                if self.reset:
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)

    def carry(self, near, far):
        self.up, self.down, self.answered = 0, 0, False
        while self.up != self.up_max and not (self.answered and self.down == self.down_max):
            readable, _, _ = select.select([near, far, self.listener], [], [])
            if readable == [self.listener]:
                return  # the next connection: this one is done with
            for source, target in ((near, far), (far, near)):
                if source in readable:
                    read = source.recv(65_536)
                    if not read:
                        return
                    self.let_through(read, target, upwards=source is near)

    def let_through(self, read, target, upwards):
        most, had = (self.up_max, self.up) if upwards else (self.down_max, self.down)
        read = read if most is None else read[: most - had]
        target.sendall(read)
        if upwards:
            self.up += len(read)
        else:
            self.answered = True
            self.down += len(read)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
