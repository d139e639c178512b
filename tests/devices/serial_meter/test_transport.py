"""The wire: every kind of it, and everything that goes wrong on it as an OSError or a SourceError
that says what to do.
"""

import contextlib
import os
import pty
import socket
import subprocess
import sys
import termios
import threading
import time
import tty

import pytest

from joulebird.devices.serial_meter.source import SerialMeterSource
from joulebird.devices.serial_meter.transport import as_oserror, drain, open_link, stable_name
from joulebird.harness.core.errors import SourceError
from tests.devices.serial_meter.fakes import WATTS, FakeUm, FakeWt310e, quick


@pytest.fixture
def terminal():
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave), slave
    for fd in (master, slave):
        with contextlib.suppress(OSError):  # the test has unplugged it
            os.close(fd)


def read_all(link, count):
    data = b""
    end_s = time.monotonic() + 5.0
    while len(data) < count and time.monotonic() < end_s:
        data += link.read()
    return data


def test_a_serial_port_reads_and_writes(terminal):
    link = open_link(terminal[1], 57600)
    assert link.read() == b""
    assert not link.waiting()
    os.write(terminal[0], b"19.02\r\n")
    assert read_all(link, 7) == b"19.02\r\n"
    link.write(b"*IDN?\n")
    assert os.read(terminal[0], 100) == b"*IDN?\n"
    assert termios.tcgetattr(terminal[0])[4] == termios.B57600
    link.close()
    link.close()


def test_an_unplugged_port_is_an_oserror_whatever_is_done(terminal):
    """pyserial raises three kinds of exception here, one of which (termios.error) is no OSError."""
    link = open_link(terminal[1])
    os.close(terminal[2])
    os.close(terminal[0])
    for action in (
        link.read,
        link.waiting,
        lambda: link.write(b"x"),
        lambda: drain(link, 0.1, 0.2),
    ):
        with pytest.raises(OSError) as caught:
            action()
        assert caught.value.errno
    with pytest.raises(OSError), as_oserror():
        link._port.reset_input_buffer()
    link.close()


def test_what_is_no_serial_port(tmp_path):
    """termios refuses it, and that comes out as what the user can cure."""
    path = tmp_path / "meter.txt"
    path.write_bytes(b"")
    with pytest.raises(SourceError) as caught:
        open_link(str(path))
    assert "meter.txt" in caught.value.message
    assert caught.value.hint


def test_a_port_that_is_not_there(tmp_path):
    with pytest.raises(SourceError) as caught:
        open_link(str(tmp_path / "ttyUSB0"))
    assert "ttyUSB0" in caught.value.message
    assert "/dev/serial/by-id" in caught.value.hint


def test_a_port_that_somebody_else_reads(terminal):
    link = open_link(terminal[1])
    with pytest.raises(SourceError) as caught:
        open_link(terminal[1])
    assert "another program" in caught.value.hint
    link.close()


def test_a_port_without_the_right_to_it(tmp_path):
    path = tmp_path / "ttyUSB0"
    path.write_bytes(b"")
    path.chmod(0)
    for parent in list(path.parents)[
        :-2
    ]:  # let the user `nobody` reach it when root runs the tests
        parent.chmod(parent.stat().st_mode | 0o011)
    code = (
        "import os, serial\nfrom joulebird.devices.serial_meter.transport import *\nif "
        "os.geteuid() == 0: os.seteuid(65534)\n"
        f"try: open_link({str(path)!r})\nexcept SourceError as error: print(error.hint)"
    )
    assert b"dialout" in subprocess.check_output([sys.executable, "-c", code])


def test_without_pyserial_the_error_says_how_to_get_it(monkeypatch, terminal):
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(SourceError) as caught:
        open_link(terminal[1])
    assert caught.value.hint == "pip install pyserial"


class Server:
    """One fake meter behind a TCP port; `cut` hangs up on the connected client."""

    def __init__(self, fake):
        self.fake = fake
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(1)
        self.listener.settimeout(0.02)
        self.number = self.listener.getsockname()[1]
        self.cut = self.stop = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop:
            try:
                client, _ = self.listener.accept()
            except socket.timeout:
                continue
            self.cut = False
            client.settimeout(0.01)
            self.fake.port.settimeout(0.01)
            while not (self.cut or self.stop):
                for here, there in ((client, self.fake.port), (self.fake.port, client)):
                    try:
                        data = here.recv(4096)
                    except socket.timeout:
                        continue
                    if not data:
                        self.cut = True
                        break
                    there.sendall(data)
            client.close()

    def close(self):
        self.stop = True
        self.thread.join()
        self.listener.close()
        self.fake.close()


def new_watts(source, count, seconds=5.0):
    """The next numbers that a source gives, failures left out."""
    watts, last_s = [], None
    end_s = time.monotonic() + seconds
    while len(watts) < count and time.monotonic() < end_s:
        try:
            sample = source.read()
        except OSError:
            sample = None
        if sample and sample.t_s != last_s:
            last_s = sample.t_s
            watts += sample.watts.values()
        time.sleep(0.005)
    return watts


def test_a_meter_on_the_network_comes_back_after_a_hang_up():
    server = Server(FakeWt310e())
    try:
        with SerialMeterSource(
            port=f"socket://127.0.0.1:{server.number}", meter=quick("wt310e")
        ) as source:
            assert new_watts(source, 3) == pytest.approx([WATTS] * 3, rel=0.01)
            server.cut = True
            end_s = time.monotonic() + 5.0
            with pytest.raises(OSError):  # noqa: PT012 (the first reads still succeed)
                while time.monotonic() < end_s:
                    source.read()
            assert len(new_watts(source, 3)) == 3
            assert source._reader.inbox.counts["opened"] >= 2
    finally:
        server.close()


def test_an_address_that_is_none():
    for port, word in (
        ("socket://nowhere", "socket://host:port"),
        ("socket://127.0.0.1:1", "network interface"),
    ):
        with pytest.raises(SourceError) as caught:
            open_link(port)
        assert word in caught.value.hint


def test_a_meter_behind_an_rfc2217_server(terminal):
    """pyserial's own server side, on a pty that carries the fake meter."""
    serial = pytest.importorskip("serial")
    from serial import rfc2217

    class Pty(serial.Serial):
        """A pty has no modem lines."""

        cts = dsr = ri = cd = dtr = rts = break_condition = False

    fake = FakeUm()
    port = Pty(terminal[1], timeout=0.01)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    stop = []

    def serve():
        client, _ = listener.accept()
        client.settimeout(0.01)
        fake.port.settimeout(0.01)
        manager = rfc2217.PortManager(port, Connection(client))
        while not stop:
            for receive, give in (
                (
                    lambda: client.recv(1024),
                    lambda data: port.write(b"".join(manager.filter(data))),
                ),
                (lambda: os.read(terminal[0], 1024), fake.port.sendall),
                (lambda: fake.port.recv(1024), lambda data: os.write(terminal[0], data)),
                (
                    lambda: port.read(200),
                    lambda data: client.sendall(b"".join(manager.escape(data))),
                ),
            ):
                try:
                    data = receive()
                    if data:
                        give(data)
                except (socket.timeout, BlockingIOError):
                    pass
        client.close()

    class Connection:
        def __init__(self, client):
            self.write = client.sendall

    os.set_blocking(terminal[0], False)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with SerialMeterSource(
            port=f"rfc2217://127.0.0.1:{listener.getsockname()[1]:d}",
            meter=quick("um34c", timeout_s=2.0),
        ) as source:
            assert new_watts(source, 2) == pytest.approx([WATTS] * 2, rel=0.01)
    finally:
        stop.append(True)
        thread.join()
        listener.close()
        port.close()
        fake.close()


def test_usbtmc_asks_and_reads_whole_answers(tmp_path, terminal):
    """The character device is played by a terminal that, like the driver, gives up a read after a
    while.
    """
    attributes = termios.tcgetattr(terminal[2])
    attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 0, 3
    termios.tcsetattr(terminal[2], termios.TCSANOW, attributes)
    name = tmp_path / "usbtmc0"
    name.symlink_to(terminal[1])
    fake = FakeWt310e()
    stop = []

    def carry():
        os.set_blocking(terminal[0], False)
        fake.port.settimeout(0.005)
        while not stop:
            for receive, give in (
                (lambda: os.read(terminal[0], 1024), fake.port.sendall),
                (lambda: fake.port.recv(1024), lambda data: os.write(terminal[0], data)),
            ):
                with contextlib.suppress(socket.timeout, BlockingIOError):
                    give(receive())

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()
    try:
        with SerialMeterSource(port=str(name), meter=quick("wt310e")) as source:
            assert new_watts(source, 3) == pytest.approx([WATTS] * 3, rel=0.01)
            assert source.describe()["identity"]["text"].startswith("YOKOGAWA")
    finally:
        stop.append(True)
        thread.join()
        fake.close()


def test_the_stable_name_of_a_port(tmp_path):
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    device = tmp_path / "ttyUSB3"
    device.write_bytes(b"")
    (by_id / "usb-FTDI_meter-if00").symlink_to(device)
    assert stable_name(str(device), str(by_id)) == str(by_id / "usb-FTDI_meter-if00")
    assert stable_name(str(by_id / "usb-FTDI_meter-if00"), str(by_id)) == str(
        by_id / "usb-FTDI_meter-if00"
    )
    assert stable_name("socket://meter:5025", str(by_id)) == "socket://meter:5025"
    assert stable_name("/dev/ttyUSB9", str(tmp_path / "none")) == "/dev/ttyUSB9"
