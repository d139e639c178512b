"""Other people's implementations of the same protocols, each started from its test: pymodbus,
sinstruments, pyvisa-sim.

What they answer with is set here; how they frame, check and carry it is theirs.
"""

import asyncio
import os
import pty
import select
import socket
import subprocess
import sys
import threading
import time
import tty

import pytest

from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.decoders import modbus
from joulebird.devices.serial_meter.source import SerialMeterSource
from tests.devices.serial_meter.fakes import quick

HERE = os.path.dirname(os.path.abspath(__file__))


class Terminals:
    """Two pseudo-terminals back to back: `left` and `right` are their names."""

    def __init__(self):
        self.pairs = [pty.openpty() for _ in range(2)]
        for _, slave in self.pairs:
            tty.setraw(slave)
        self.left, self.right = (os.ttyname(slave) for _, slave in self.pairs)
        self.stop = False
        self.thread = threading.Thread(target=self._carry, daemon=True)
        self.thread.start()

    def _carry(self):
        a, b = (master for master, _ in self.pairs)
        while not self.stop:
            for fd in select.select([a, b], [], [], 0.02)[0]:
                os.write(b if fd == a else a, os.read(fd, 4096))

    def close(self):
        self.stop = True
        self.thread.join()
        for master, slave in self.pairs:
            os.close(master)
            os.close(slave)


def numbers(source, count, seconds=10.0):
    """So many new readings; a failure on the way is an error of the test."""
    watts, last_s = [], None
    end_s = time.monotonic() + seconds
    while len(watts) < count and time.monotonic() < end_s:
        sample = source.read()
        if sample.t_s != last_s:
            last_s = sample.t_s
            assert sample.error is None, sample
            watts += sample.watts.values()
        time.sleep(0.005)
    assert len(watts) >= count
    return watts


class ModbusServer(threading.Thread):
    """pymodbus's own RTU server on a terminal, in a loop of its own."""

    def __init__(self, port, registers, unit):
        super().__init__(daemon=True)
        self.port, self.registers, self.unit = port, registers, unit
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()

    def run(self):
        self.loop.run_until_complete(self._serve())

    async def _serve(self):
        from pymodbus.datastore import (
            ModbusDeviceContext,
            ModbusSequentialDataBlock,
            ModbusServerContext,
        )
        from pymodbus.framer import FramerType
        from pymodbus.server import ModbusSerialServer

        block = ModbusSequentialDataBlock(1, self.registers)  # pymodbus: 1 maps to address 0
        context = ModbusServerContext(
            devices={self.unit: ModbusDeviceContext(ir=block, hr=block)}, single=False
        )
        self.server = ModbusSerialServer(
            context, framer=FramerType.RTU, port=self.port, baudrate=9600
        )
        self.ready.set()
        await self.server.serve_forever()

    def close(self):
        asyncio.run_coroutine_threadsafe(self.server.shutdown(), self.loop).result(5.0)
        self.join(5.0)


@pytest.fixture
def modbus_server():
    made = []

    def start(registers, unit=1):
        terminals = Terminals()
        server = ModbusServer(terminals.left, registers, unit)
        server.start()
        assert server.ready.wait(10.0)
        made.append((server, terminals))
        return terminals.right

    yield start
    for server, terminals in made:
        server.close()
        terminals.close()


PZEM = [2301, 87, 0, 120, 0, 1234, 0, 500, 61, 0] + [0] * 10


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pymodbus_as_a_pzem(modbus_server):
    with SerialMeterSource(port=modbus_server(PZEM), meter=quick("pzem004t")) as source:
        assert numbers(source, 5) == [12.0] * 5
        assert (
            source._reader.inbox.counts["damaged"] == source._reader.inbox.counts["timeouts"] == 0
        )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pymodbus_as_a_riden_supply(modbus_server):
    registers = [60062, 0, 12345, 142] + [0] * 6 + [1902, 631, 0, 1200, 2405] + [0] * 10
    with SerialMeterSource(
        port=modbus_server(registers), meter=quick("rd6006", bauds=[9600])
    ) as source:
        assert numbers(source, 3) == [12.0] * 3
        assert source.describe()["identity"] == {"model_id": 60062, "serial": 12345, "fw": 142}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pymodbus_says_that_there_is_no_such_register(modbus_server):
    """Its exception frame is a flagged sample and never a number."""
    far = quick("pzem004t", settings={"start": 0x1000})
    with SerialMeterSource(port=modbus_server(PZEM), meter=far) as source:
        time.sleep(0.3)
        sample = source.read()
        assert sample.watts == {}
        assert sample.error == "exception 2"


def test_pymodbus_computes_the_same_checksums():
    from pymodbus.framer.rtu import FramerRTU

    for name in ("pzem004t", "pzem017", "rd6006", "dps5005"):
        for ask in meters.decoder(meters.meter(name)).poll():
            assert FramerRTU.compute_CRC(ask.data[:-2]) == int.from_bytes(
                modbus.crc(ask.data[:-2]), "big"
            )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def sinstruments(tmp_path):
    """sinstruments' server as a process: a terminal with the baud rate's delay, and a TCP port."""
    number, link = free_port(), tmp_path / "wt310"
    (tmp_path / "sim.yml").write_text(
        f"""
devices:
- {{class: WT310, package: sinstruments_meter, name: wt,
   transports: [{{type: serial, url: {link}, baudrate: 9600}}, {{type: tcp, url: "127.0.0.1:{number}"}}]}}
"""  # noqa: E501
    )
    program = os.path.join(os.path.dirname(sys.executable), "sinstruments-server")
    with open(str(tmp_path / "said"), "wb") as said:
        server = subprocess.Popen(
            [program, "-c", str(tmp_path / "sim.yml")],
            stdout=said,
            stderr=said,
            env=dict(os.environ, PYTHONPATH=HERE),
        )
    try:
        end_s = time.monotonic() + 30.0
        while not link.is_symlink() or not listens(number):
            assert server.poll() is None, (tmp_path / "said").read_text()
            assert time.monotonic() < end_s, (tmp_path / "said").read_text()
            time.sleep(0.05)
        yield str(link), f"socket://127.0.0.1:{number}"
    finally:
        server.terminate()
        server.wait(10.0)


def listens(number):
    try:
        socket.create_connection(("127.0.0.1", number), 1.0).close()
        return True
    except OSError:
        return False


def test_sinstruments_as_a_wt310e_on_a_terminal_and_on_tcp(sinstruments):
    for port in sinstruments:
        with SerialMeterSource(port=port, meter=quick("wt310e", bauds=[9600])) as source:
            assert numbers(source, 5) == pytest.approx([12.002] * 5)
            assert "C3SIM0001E" in source.describe()["identity"]["text"]
            assert source._reader.inbox.counts["damaged"] == 0


PYVISA_SIM = """
spec: "1.1"
devices:
  psu:
    eom:
      ASRL INSTR: {q: "\\n", r: "\\n"}
    error: "-113,\\"Undefined header\\""
    dialogues:
    - {q: "*IDN?", r: "RIGOL TECHNOLOGIES,DP832,DP8SIM,00.01"}
    - {q: "*CLS"}
    - {q: ":MEAS:ALL? CH1", r: "19.0200,0.6310,12.002"}
resources:
  ASRL1::INSTR: {device: psu}
"""


class VisaBridge(threading.Thread):
    """Carries bytes between a terminal and an instrument that pyvisa-sim plays in this process."""

    def __init__(self, path):
        super().__init__(daemon=True)
        import pyvisa

        self.error = pyvisa.errors.VisaIOError
        self.manager = pyvisa.ResourceManager(f"{path}@sim")
        self.instrument = self.manager.open_resource("ASRL1::INSTR", timeout=20)
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.name_of_port = os.ttyname(self.slave)
        self.stop = False

    def run(self):
        while not self.stop:
            if select.select([self.master], [], [], 0.02)[0]:
                self.instrument.write_raw(os.read(self.master, 4096))
            try:
                while True:
                    os.write(self.master, self.instrument.read_bytes(1))
            except self.error:
                pass  # nothing more to say

    def close(self):
        self.stop = True
        self.join()
        self.instrument.close()
        self.manager.close()
        os.close(self.master)
        os.close(self.slave)


def test_pyvisa_sim_as_a_bench_supply(tmp_path):
    (tmp_path / "psu.yaml").write_text(PYVISA_SIM)
    bridge = VisaBridge(tmp_path / "psu.yaml")
    bridge.start()
    try:
        with SerialMeterSource(
            port=bridge.name_of_port, meter=quick("rigol-dp800", bauds=[9600], timeout_s=2.0)
        ) as source:
            assert numbers(source, 3) == pytest.approx([12.002] * 3)
            assert source.describe()["identity"]["text"].startswith("RIGOL")
    finally:
        bridge.close()
