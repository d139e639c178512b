"""Open the wire to a meter: a serial port, a socket, an RFC 2217 server, or `/dev/usbtmcN`.

Every fault of a wire is an OSError here, also those that pyserial and termios raise
otherwise. pyserial is needed, and imported, only for serial ports and rfc2217.
"""

import contextlib
import errno
import fcntl
import glob
import os
import re
import select
import socket
import struct
import termios
import time
from typing import Any, Iterator, List
from urllib.parse import urlsplit

from joulebird.harness.core.errors import SourceError

READ_S = 0.05  # how long a read waits for the first byte
WRITE_S = 1.0
CONNECT_S = 3.0
USBTMC_READ_MS = 1000  # an instrument waits for its next update before it answers
USBTMC_SET_TIMEOUT = 0x40045B0A  # _IOW(91, 10, __u32) of linux/usb/tmc.h
USBTMC_CLEAR = 0x5B02  # _IO(91, 2)
HINTS = {
    errno.ENOENT: "plug the meter in, or look for its name with: ls /dev/serial/by-id/",
    errno.EACCES: "sudo usermod -a -G dialout $USER, then log in again",
    errno.EPERM: "sudo usermod -a -G dialout $USER, then log in again",
    errno.EAGAIN: "another program reads this port: close it (ModemManager is a usual one)",
    errno.EBUSY: "another program reads this port: close it (ModemManager is a usual one)",
    errno.ECONNREFUSED: "check the port number, and switch the meter's network interface on",
}


@contextlib.contextmanager
def as_oserror() -> Iterator[None]:
    """Turn every error of pyserial and termios into an OSError with a number.

    >>> with as_oserror():
    ...     raise termios.error(5, "Input/output error")
    Traceback (most recent call last):
    OSError: [Errno 5] Input/output error
    """
    try:
        yield
    except termios.error as error:
        raise OSError(*error.args[:2]) from error
    except OSError as error:
        if error.errno is None:  # pyserial: "returned no data (device disconnected ...?)"
            timed_out = "timeout" in type(error).__name__.lower()
            raise OSError(errno.ETIMEDOUT if timed_out else errno.ENODEV, str(error)) from error
        raise


class TtyLink:
    """A serial port, or one behind an RFC 2217 server."""

    @as_oserror()
    def __init__(self, port: str, baud: int, frame: str) -> None:
        try:
            import serial
        except ImportError:
            raise SourceError("pyserial is not installed", "pip install pyserial") from None
        network = "://" in port
        self._port = serial.serial_for_url(
            port,
            baudrate=baud,
            bytesize=int(frame[0]),
            parity=frame[1],
            stopbits=float(frame[2:]),
            timeout=READ_S,
            write_timeout=None if network else WRITE_S,
            exclusive=None if network else True,
        )
        # FTDI chips keep bytes back for 16 ms otherwise; older pyserial, other systems and most
        # adapters cannot.
        with contextlib.suppress(AttributeError, ValueError, NotImplementedError, OSError):
            self._port.set_low_latency_mode(True)

    @as_oserror()
    def read(self) -> bytes:
        """Return the bytes that came, waiting up to READ_S for the first.

        Raises OSError when the port is gone.
        """
        return bytes(self._port.read(max(1, self._port.in_waiting)))

    @as_oserror()
    def waiting(self) -> bool:
        """Return whether something has come that was not read; OSError if the port is gone."""
        return bool(self._port.in_waiting)

    @as_oserror()
    def write(self, data: bytes) -> None:
        """Send bytes; raises OSError."""
        self._port.write(data)

    def close(self) -> None:
        """Release the port at once, or the replugged meter would get another name."""
        with contextlib.suppress(OSError, termios.error):
            self._port.close()


class SocketLink:
    """A meter on the network that talks over plain TCP."""

    def __init__(self, port: str) -> None:
        address = urlsplit(port)
        if not address.hostname or not address.port:
            raise SourceError(f"{port} is not an address", "write socket://host:port")
        self._socket = socket.create_connection((address.hostname, address.port), CONNECT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(READ_S)

    def read(self) -> bytes:
        """Return the bytes that came, waiting up to READ_S.

        Raises OSError when the other side has closed.
        """
        try:
            data = self._socket.recv(4096)
        except socket.timeout:
            return b""
        if not data:
            raise OSError(errno.ECONNRESET, "the meter closed the connection")
        return data

    def waiting(self) -> bool:
        """Return whether something has come that was not read."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def write(self, data: bytes) -> None:
        """Send bytes; raises OSError."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class UsbtmcLink:
    """An instrument behind the kernel's usbtmc driver: a write is a question, a read its answer."""

    def __init__(self, port: str) -> None:
        self._file = os.fdopen(os.open(port, os.O_RDWR | os.O_CLOEXEC), "wb", 0)
        with contextlib.suppress(OSError):  # the driver's own default is 5 s
            fcntl.ioctl(self._file, USBTMC_SET_TIMEOUT, struct.pack("I", USBTMC_READ_MS))

    def read(self) -> bytes:
        """Give an answer, or nothing when none came in the driver's time.

        Raises OSError when the instrument is gone.
        """
        try:
            return os.read(self._file.fileno(), 4096)
        except (TimeoutError, BlockingIOError):  # ETIMEDOUT, EAGAIN
            return b""

    def waiting(self) -> bool:
        """Never: nothing comes unasked."""
        return False

    def write(self, data: bytes) -> None:
        """Send a question; raises OSError."""
        if data.strip():  # an empty line is for serial lines; here it is half a message
            os.write(self._file.fileno(), data)

    def clear(self) -> None:
        """Have the instrument forget the question (INITIATE_CLEAR)."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._file, USBTMC_CLEAR)

    def close(self) -> None:
        """Let go of the device."""
        self._file.close()


def stable_name(port: str, by_id: str = "/dev/serial/by-id") -> str:
    """Give the name under which a replugged meter comes back, /dev/serial/by-id/....

    Any other port is given back as it is.
    """
    if port.startswith(by_id):
        return port
    links = sorted(glob.glob(os.path.join(glob.escape(by_id), "*")))
    return next((link for link in links if os.path.realpath(link) == os.path.realpath(port)), port)


def ports(dev: str = "/dev") -> List[str]:
    """Return the ports of possible meters: serial ports by their stable names, and usbtmc devices.

    >>> ports("/nonexistent")
    []
    """
    patterns = ("serial/by-id/*", "usbtmc[0-9]*", "cu.usb*")  # the last is macOS's
    return sorted(path for pattern in patterns for path in glob.glob(os.path.join(dev, pattern)))


def open_link(port: str, baud: int = 9600, frame: str = "8N1") -> Any:
    """Open the wire; `frame` is bits, parity and stop bits of a serial line.

    Raises SourceError with a remedy, from the OSError if there was one.
    """
    try:
        if port.startswith("socket://"):
            return SocketLink(port)
        if re.match(r"usbtmc\d+\Z", os.path.basename(port)):
            return UsbtmcLink(port)
        return TtyLink(port, baud, frame)
    except (OSError, ValueError) as error:
        hint = (
            HINTS.get(
                error.errno or 0,
                "check the cable and the name; names under /dev/serial/by-id/ survive replugging",
            )
            if isinstance(error, OSError)
            else "check the port and the line settings"
        )
        raise SourceError(
            f"cannot open the meter at {port}: {getattr(error, 'strerror', None) or error}", hint
        ) from error


def drain(link: Any, quiet_s: float, most_s: float) -> bytes:
    """Read until nothing has come for `quiet_s`, at most for `most_s`.

    Returns the discarded bytes.
    """
    if isinstance(link, UsbtmcLink):  # reading without a question is an error there
        link.clear()
        return b""
    begin = last = time.monotonic()
    thrown = b""
    while time.monotonic() - last < quiet_s and time.monotonic() - begin < most_s:
        data = link.read()
        if data:
            thrown, last = thrown + data, time.monotonic()
    return thrown
