"""One fake meter for each family, speaking its protocol on a socket: a board that takes 12 W at 19
V.
"""

import contextlib
import socket
import struct
import threading
import time

from joulebird.devices.serial_meter.decoders.checksums import crc, xor
from joulebird.devices.serial_meter.decoders.um import SUMMED

VOLTS, AMPS = 19.02, 0.631
WATTS = 12.0


class Fake:
    """Answers what comes (`answer`) and says something every `period_s` (`push`).

    `port` is the other end of its line.
    """

    period_s = 0.0

    def __init__(self):
        self.port, self._line = socket.socketpair()
        self._line.settimeout(0.005)
        self.asked = []  # every piece of bytes that came
        self.said = 0
        self._buffer = b""
        self._alive = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def answer(self, data):
        """What to say to bytes."""
        return b""

    def push(self):
        """What to say by itself."""
        return b""

    def _run(self):
        next_s = time.monotonic() + self.period_s
        while self._alive:
            try:
                data = self._line.recv(4096)
                self.asked.append(data)
                self._say(self.answer(data))
            except socket.timeout:
                pass
            if self.period_s and time.monotonic() >= next_s:
                next_s += self.period_s
                self._say(self.push())

    def _say(self, data):
        if data:
            self.said += 1
            with contextlib.suppress(
                socket.timeout
            ):  # without a reader the bytes are lost, as on a real line
                self._line.sendall(data)

    def lines(self, data, end):
        """The whole lines or packets that these bytes complete."""
        *lines, self._buffer = (self._buffer + data).split(end)
        return lines

    def close(self):
        self._alive = False
        self._thread.join()
        self.port.close()
        self._line.close()


class FakeLine(Fake):
    """Prints t_ms,V,A,W."""

    period_s = 0.03

    def push(self):
        return b"%d,19.020,0.6310,12.002\r\n" % (1000 * self.said)


class FakeChecked(Fake):
    """Prints the line with a checksum."""

    period_s = 0.03

    def push(self):
        body = b"D,%d,%d,19020,631000,12000" % (self.said, 30000 * self.said)
        return body + b"*%02x\n" % xor(body)


class FakeWt310e(Fake):
    """Knows the commands that a WT310E's profile sends, and no other."""

    update_s = 0.02

    def answer(self, data):
        out = b""
        for line in self.lines(data, b"\n"):
            line = line.strip()
            if line == b"*IDN?":
                out += b"YOKOGAWA,WT310E,C2KH12345E,F1.04\r\n"
            elif line == b":STAT:ERR?":
                out += b'0,"No error"\r\n'
            elif line == b":STAT:EESR?":
                out += b"1\r\n"
            elif line == b":NUM:NORM:VAL?":
                time.sleep(self.update_s)
                out += b"19.020E+00,0.6310E+00,12.002E+00,1.2345E+00,3600\r\n"
        return out


class FakeWattsup(Fake):
    """Sends a packet in each period after the start command."""

    period_s = 0.05
    logging = False

    def answer(self, data):
        out = b""
        for packet in self.lines(data, b";"):
            if packet.strip() == b"#V,R,0":
                out += b"#v,-,8,1,65206,5,2,3,14,200612211910,0;\r\n"
            self.logging = packet.startswith(b"#L,W,3") or (self.logging and packet != b"#L,W,0")
        return out

    def push(self):
        return (
            b"#d,-,18,120,1192,135,282,2,124,9,121,1193,136,119,1191,134,75,0,0,600,160;\r\n"
            if self.logging
            else b""
        )


class FakePzem(Fake):
    """A PZEM-004T: answers the read of its ten registers."""

    def answer(self, data):
        if len(data) != 8 or crc(data[:-2]) != data[-2:] or data[1] != 4:
            return b""
        body = struct.pack(">BBB10H", data[0], 4, 20, 2301, 87, 0, 120, 0, 1234, 0, 500, 61, 0)
        return body + crc(body)


class FakeUm(Fake):
    """A UM34C: one byte asked, 130 answered."""

    def answer(self, data):
        frame = bytearray(130)
        struct.pack_into(">HHHIHHH", frame, 0, 0x0D4C, 1902, 631, 12002, 30, 86, 0)
        for at in SUMMED:
            frame[129] ^= frame[at]
        return bytes(frame) if b"\xf0" in data else b""


def quick(name, **more):
    """A meter's description with the periods of its fake, so that a test need not wait."""
    return dict({"like": name, "interval_s": 0.05, "timeout_s": 0.5, "settle_s": 0.0}, **more)


FAMILIES = {  # family -> (its fake, the meter that reads it)
    "line": (FakeLine, quick("csv-vip")),
    "line-checked": (FakeChecked, quick("diy-checked")),
    "scpi": (FakeWt310e, quick("wt310e", bauds=[9600])),
    "wattsup": (FakeWattsup, quick("wattsup", bauds=[115200])),
    "modbus": (FakePzem, quick("pzem004t")),
    "um": (FakeUm, quick("um34c")),
}
