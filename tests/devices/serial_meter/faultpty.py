"""A byte-level fault proxy: a fake meter on one side, a pseudo-terminal behind a stable link on the
other, and faults between them.

A replugged meter is a new /dev/pts/N behind the same link, exactly like /dev/serial/by-id. Faults
act on what the meter sends; they are seeded, so that a test repeats.
"""

import os
import pty
import random
import select
import termios
import threading
import time
import tty

BAUD = {
    getattr(termios, name): int(name[1:])
    for name in dir(termios)
    if name[0] == "B" and name[1:].isdigit()
}


class FaultPty:
    """Carries bytes between `peer` (a socket of the fake meter) and the client that opens `link`.

    Knobs: `drop` and `flip` (chance for each byte), `dribble` (seconds for each byte), `stall`,
    `extra` (bytes before the next ones), `baud` (junk for a client that set another rate). `sent`
    counts the bytes that reached the client's side.
    """

    def __init__(self, link, peer, seed=0):
        self.link, self.peer, self.random = link, peer, random.Random(seed)
        self.drop = self.flip = self.dribble = 0.0
        self.stall, self.extra, self.baud = False, b"", None
        self.sent = 0
        self.names, self._taken = [], []
        self._master = None
        self._lock = threading.Lock()
        self._alive = True
        self.plug()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def plug(self):
        """Connect: a new terminal appears behind the link."""
        master, slave = pty.openpty()
        while (
            os.ttyname(slave) in self.names
        ):  # a number that became free again: keep it, and take another
            self._taken.append((master, slave))
            master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(
            master, False
        )  # a client may come between the select and the read, with nothing to say
        self.names.append(os.ttyname(slave))
        os.close(slave)  # only the client keeps it open: a hang-up means that it has left
        os.symlink(self.names[-1], self.link + ".new")
        os.rename(self.link + ".new", self.link)
        self._master = master

    def unplug(self):
        """Disconnect: the name vanishes, and an open client gets errors."""
        with self._lock:
            master, self._master = self._master, None
            os.unlink(self.link)
            os.close(master)

    def client_baud(self):
        return BAUD.get(termios.tcgetattr(self._master)[4])

    def _mangle(self, data):
        if self.baud and self.client_baud() != self.baud:
            return bytes(
                self.random.choice((0, 0x80, 0xF8, 0xFF, 0xE0, 0xFE))
                for _ in range(max(1, len(data) // 2))
            )
        out = bytearray()
        for byte in data:
            if self.random.random() < self.drop:
                continue
            if self.random.random() < self.flip:
                byte ^= 1 << self.random.randrange(8)
            out.append(byte)
        return bytes(out)

    def _deliver(self, master, data):
        step = 1 if self.dribble else max(1, len(data))
        for at in range(0, len(data), step):
            try:
                self.sent += os.write(master, data[at : at + step])
            except OSError:
                return  # no client: lost, as on a real line
            if self.dribble:
                time.sleep(self.dribble)

    def _turn(self):
        master = self._master
        ready = select.select(
            [self.peer] + ([master] if master is not None else []), [], [], 0.005
        )[0]
        if master in ready:
            try:
                self.peer.sendall(os.read(master, 4096))
            except OSError:  # EIO: no client yet
                time.sleep(0.005)
        if self.peer in ready:
            data = self.peer.recv(4096)
            if master is None or self.stall:
                return
            data, self.extra = self.extra + self._mangle(data), b""
            self._deliver(master, data)

    def _run(self):
        while self._alive:
            with self._lock:
                self._turn()
            time.sleep(0.0005)  # the lock must have a chance to change hands

    def close(self):
        self._alive = False
        self._thread.join()
        if self._master is not None:
            os.close(self._master)
            os.unlink(self.link)
        for pair in self._taken:
            os.close(pair[0])
            os.close(pair[1])
