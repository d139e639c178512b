"""Nothing that is ever sent could change an output: every command of every meter, the guards, and
the one place that writes.
"""

import ast
import os

import pytest

from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.decoders import modbus, readonly, wattsup
from joulebird.devices.serial_meter.records import Ask
from joulebird.harness.core.errors import SourceError

HERE = os.path.dirname(os.path.abspath(meters.__file__))
CHANGES = (
    "OUTP",
    "VSET",
    "ISET",
    "VOLT ",
    "CURR ",
    "*RST",
    "*TST",
    "*CAL",
    "INST",
    "APPL",
    "SOUR",
    "RESET",
    "INTEG",
)


def everything_said(name):
    decoder = meters.decoder(meters.meter(name))
    return decoder.start() + decoder.poll() + decoder.stop()


@pytest.mark.parametrize("name", sorted(meters.METERS))
def test_what_a_meter_is_told_only_asks(name):
    family = meters.meter(name).family
    for ask in everything_said(name):
        assert isinstance(ask, Ask)
        if family == "modbus":
            assert ask.data[1] in (3, 4)
            assert ask.data[-2:] == modbus.crc(ask.data[:-2])
        elif family == "um":
            assert ask.data == b"\xf0"
        elif family == "wattsup":
            assert ask.data in (b"#V,R,0;", b"#L,W,3,E,1,1;", b"#L,W,0;")
        else:
            assert not any(word in ask.data.decode("ascii").upper() for word in CHANGES)


@pytest.mark.parametrize(
    "name", sorted(name for name in meters.METERS if meters.METERS[name]["family"] == "scpi")
)
def test_a_supply_is_asked_and_nothing_else(name):
    if meters.meter(name).settings.get("wattmeter"):
        return
    for ask in everything_said(name):
        text = ask.data.decode("ascii").strip()
        assert text in ("", "*CLS", "SYST:REM") or "?" in text


@pytest.mark.parametrize(
    "text",
    [
        "OUTP ON",
        "OUTP1 OFF",
        "VOLT 19",
        ":SOUR:VOLT 5",
        "*RST",
        "*TST?",
        "*CAL?",
        "MEAS:POW?;OUTP OFF",
        "MEAS:POW?\nOUTP OFF",
        "VOLT:RANG 8",
        ":VOLTAGE:RANGE 30",
        "SYST:PRES",
        "INST CH2",
        "*RCL 1",
    ],
)
def test_a_command_is_refused(text):
    with pytest.raises(SourceError) as caught:
        readonly.scpi_command(text)
    assert "not a question" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["OUTP ON", "*RST", ":INP:VOLT:RANG 30V\nOUTP ON", ":INTEG:STAR", "SOUR:VOLT 1"]
)
def test_a_wattmeter_is_not_told_everything_either(text):
    with pytest.raises(SourceError):
        readonly.scpi_command(text, supply=False)


def test_a_meter_of_ones_own_is_guarded_too():
    """Options of the user pass the same guards as our own table."""
    for spec in (
        {"like": "scpi-supply", "settings": {"start": ["OUTP ON"]}},
        {"like": "scpi-supply", "settings": {"queries": [["OUTP ON", ["power_W"]]]}},
        {"like": "wt310e", "settings": {"volts": "30V;:OUTP ON"}},
        {"like": "csv-vip", "settings": {"start": "VOLT 5\n"}},
        {"like": "pzem004t", "settings": {"function": 6}},
        {"like": "rd6006", "settings": {"function": 16}},
    ):
        with pytest.raises(SourceError):  # noqa: PT012 (some refuse when built, some when asked)
            decoder = meters.decoder(meters.meter(spec))
            decoder.start(), decoder.poll()


@pytest.mark.parametrize(
    "frame", ["01428011", "010600080bb80e8a", "01100008000102", "0105000cff00"]
)
def test_a_modbus_write_is_refused(frame):
    with pytest.raises(SourceError):
        readonly.modbus_request(bytes.fromhex(frame))


def test_clearing_the_memory_of_a_wattsup_is_known_but_never_said():
    never = b"#R,W,0;"
    assert never in wattsup.COMMANDS
    assert never not in [ask.data for ask in everything_said("wattsup")]


def calls(path, name):
    with open(path, encoding="utf-8") as source:
        tree = ast.parse(source.read())
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == name
                ):
                    yield f"{os.path.basename(path)}.{function.name}"


def test_only_one_function_writes_to_a_meter_and_only_what_a_decoder_asks():
    """`Dialogue._say` is the one place.

    It is given the bytes of the guarded lists `start`, `poll` and `stop`.
    """
    files = [os.path.join(HERE, name) for name in sorted(os.listdir(HERE)) if name.endswith(".py")]
    writes = {
        place
        for path in files
        for name in ("write", "sendall", "send")
        for place in calls(path, name)
    }
    assert writes == {
        "transport.py.write",
        "dialogue.py._say",
        "rawlog.py._write",
        "repair.py.rewrite",
    }
    says = [place for path in files for place in calls(path, "_say")]
    assert sorted(says) == ["dialogue.py._exchange", "dialogue.py.run"]
