"""The table of meters, and meters of one's own."""

import json
import sys

import pytest

from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.decoders.checksums import xor
from joulebird.devices.serial_meter.decoders.forms import field
from joulebird.devices.serial_meter.decoders.line import LONGEST_LINE
from joulebird.devices.serial_meter.records import Gates, judge, out_of_gate
from joulebird.harness.core.errors import SourceError


@pytest.mark.parametrize("name", sorted(meters.METERS))
def test_a_known_meter_says_what_the_record_needs(name):
    meter = meters.meter(name)
    assert meter.title
    assert meter.scope in ("dc", "wall")
    assert meter.sampling in ("average", "snapshot")
    assert meter.check in ("checksum", "v*i", "none")
    assert meter.interval_s > 0
    assert meter.counter_step_j >= 0
    assert 0 < meter.range_w <= meter.gates.max_w
    assert set(meter.accuracy) == {"gain", "offset_mw", "quantum_mw", "reference"}
    limits = meter.accuracy["gain"], meter.accuracy["offset_mw"]
    stated = meter.accuracy["reference"] != "not stated"
    assert all(isinstance(limit, (int, float)) == stated for limit in limits)
    assert len(meter.line) == 3
    assert all(baud >= 1200 for baud in meter.bauds)
    assert meter.sampling == "snapshot" or meter.sampling_known
    assert meters.meter(json.loads(json.dumps(meters.as_json(meter)))) == meter
    decoder = meters.decoder(meter)
    assert decoder.polled == bool(decoder.poll())
    assert decoder.feed(b"\x00\xffgarbage") == [] or all(
        r.kind == "damaged" for r in decoder.feed(b"\x00\xffgarbage\n")
    )


def test_the_families_and_the_meters_that_are_promised():
    families = {meters.meter(name).family for name in meters.METERS}
    assert families == set(meters.DECODERS) == {"line", "scpi", "wattsup", "modbus", "um"}
    for name in (
        "wt310e",
        "gpm8213",
        "hmc8015",
        "hioki3334",
        "hioki-pw3335",
        "rigol-dp800",
        "keysight-e36300",
        "pzem004t",
        "pzem017",
        "rd6006",
        "um24c",
        "um25c",
        "um34c",
        "wattsup",
        "smartpower3",
        "edgepowermeter",
        "ina219-csv",
    ):
        assert name in meters.METERS


MINE = {
    "family": "line",
    "interval_s": 0.1,
    "bauds": [57600],
    "gates": {"max_w": 60.0},
    "settings": {"columns": "t_ms,voltage_V,current_mA"},
}
TOML = """
family = "line"
interval_s = 0.1
bauds = [57600]
gates = {max_w = 60.0}
[settings]
columns = "t_ms,voltage_V,current_mA"
"""


def test_a_meter_in_a_json_file(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(MINE), encoding="utf-8")
    assert meters.meter(str(tmp_path / "mine.json")) == meters.meter(MINE)
    assert meters.meter(json.dumps(MINE)) == meters.meter(MINE)


def test_a_meter_in_a_toml_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TOML, encoding="utf-8")
    if sys.version_info >= (3, 11):
        assert meters.meter(str(path)) == meters.meter(MINE)
        return
    with pytest.raises(SourceError, match="cannot read TOML") as caught:
        meters.meter(str(path))
    assert "meter.json" in caught.value.hint


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nowhere/mine.json", "No such file"),
        ("{", "cannot read the description"),
        (f'{{"like": "um25c", "interval_s": {"9" * 5000}}}', "an integer of 5000 digits"),
        ('{"like": "um25c", "settings": ' + "[" * 3000, "nested more than|cannot read"),
        ('{"a":' * 3000, "nested more than|cannot read"),
        ({"like": "um25c", "interval_s": 10**400}, "an integer of 401 digits"),
        ({"like": "um25c", "interval_s": float("nan")}, "not a finite number"),
        ({"like": "um25c", "interval_s": "1"}, "interval_s cannot be '1'"),
        ({"like": "um25c", "bauds": 9600}, "not iterable"),
        ({"like": "um25c", "bauds": ["9600"]}, "bauds cannot be"),
        ({"like": "um25c", "gates": [1]}, "mapping"),
        ({"like": "um25c", "gates": {"max_w": True}}, "max_w cannot be True"),
        ({"like": "um25c", "gates": {"watts": 1}}, "watts"),
        ({"like": ["um25c"]}, "unknown serial meter"),
        ({"like": "um52c"}, "unknown serial meter 'um52c'"),
        ({"like": "um25c", "range_w": -1.0}, "range_w must be above 0"),
        ({"like": "um25c", "range_w": "10"}, "range_w cannot be '10'"),
        ({"like": "um25c", "accuracy": [0.01]}, "accuracy cannot be"),
        ({"like": "um25c", "accuracy": {"gian": 0.01}}, "unknown key 'gian' of accuracy"),
        ({"like": "um25c", "accuracy": {"gain": "1 %"}}, "gain of accuracy cannot be '1 %'"),
        ({"like": "um25c", "accuracy": {"gain": 1.5}}, "gain of accuracy is a share"),
        ({"like": "um25c", "accuracy": {"offset_mw": -5}}, "offset_mw of accuracy cannot be -5"),
        ({"like": "um25c", "accuracy": {"reference": 5}}, "reference of accuracy cannot be 5"),
        ({"like": "wt310e", "accuracy": {"of_range": True}}, "of_range of accuracy cannot be"),
        ({"like": "um25c", "gates": {"max_w": 0.0}}, "'gates.max_w' must be above 0"),
        ({"like": "um25c", "gates": {"max_w": 1e9}}, "'gates.max_w' must be"),
        (
            {"like": "wt310e", "settings": {"overrange": "1.4"}},
            "overrange' has the wrong type",
        ),
        ({"like": "wt310e", "settings": {"overrange": 0.0}}, "overrange' must be at least 1"),
        ({"like": "um25c", "interval_s": 0.0}, "'interval_s' must be above 0"),
        ({"like": "um25c", "interval_s": -1.0}, "'interval_s' must be above 0"),
        ({"like": "um25c", "timeout_s": 0.0}, "'timeout_s' must be above 0"),
        ({"like": "um25c", "timeout_s": 1e6}, "'timeout_s' must be above 0 and at most 60"),
        ({"like": "um25c", "sampling": "averge"}, "'sampling' must be one of 'average', 'snap"),
        ({"like": "um25c", "scope": "DC"}, "'scope' must be one of 'dc', 'wall'"),
        ({"like": "um25c", "check": "crc"}, "'check' must be one of 'checksum', 'v"),
        ({"like": "um25c", "line": "9X7"}, "'line' must be data bits, parity"),
        ({"like": "um25c", "bauds": []}, "'bauds' must be a list with at least one"),
        ({"like": "um25c", "bauds": [-9600]}, "'bauds #1' must be at least 50"),
        ({"family": ["line"]}, "family cannot be"),
        ({"family": "lime"}, "unknown family of serial meters 'lime'"),
    ],
)
def test_a_description_that_is_wrong_is_one_line(spec, said):
    with pytest.raises(SourceError, match=said) as caught:
        meters.meter(spec)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 250
    assert caught.value.hint


def test_a_wt310e_errs_by_its_datasheet_at_the_configured_range():
    """With 9 W on the ranges of 30 V and 2 A by 1.4 %; a table once gave 0.05 %."""
    meter = meters.meter("wt310e")
    assert meter.range_w == 84.0  # 140 % of 60 W
    error_w = meter.accuracy["gain"] * 9.2 + meter.accuracy["offset_mw"] / 1e3
    assert error_w / 9.2 == pytest.approx(0.014, rel=0.02)
    assert "WT310E" in meter.accuracy["reference"]
    smaller = meters.meter({"like": "wt310e", "settings": {"amps": "500mA"}})
    assert smaller.range_w == 21.0
    assert smaller.accuracy["offset_mw"] == 30.0
    panel = meters.meter("wt310e-ac")
    assert panel.accuracy["gain"] is panel.accuracy["offset_mw"] is None
    known = meters.meter({"like": "wt310e-ac", "settings": {"volts": "300V", "amps": "1A"}})
    assert known.range_w == 420.0
    assert known.accuracy["gain"] > 0.001
    assert known.accuracy["offset_mw"] == 150.0


def test_a_meter_of_ones_own_states_range_and_accuracy():
    own = {"like": "csv-vip", "range_w": 40.0, "accuracy": {"gain": 0.01, "offset_mw": 20}}
    meter = meters.meter(own)
    assert meter.range_w == 40.0
    assert meter.accuracy == {
        "gain": 0.01,
        "offset_mw": 20,
        "quantum_mw": None,
        "reference": "its own description",
    }
    assert meters.meter(MINE).range_w == 60.0  # of its gates
    assert meters.meter({"like": "wt310e", "range_w": 30.0}).range_w == 30.0
    words = meters.meter({"like": "csv-vip", "accuracy": "1 %"})  # of an older raw log
    assert words.accuracy["reference"] == "1 %"
    assert words.accuracy["gain"] is None


def test_the_definition_is_a_hash_of_the_users_own(tmp_path):
    assert meters.definition("um25c") == ""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(MINE), encoding="utf-8")
    first = meters.definition(str(path))
    assert len(first) == 12
    path.write_text(json.dumps(dict(MINE, interval_s=0.2)), encoding="utf-8")
    assert meters.definition(str(path)) != first
    assert meters.definition(MINE) == meters.definition(dict(reversed(list(MINE.items()))))


@pytest.mark.parametrize(
    "described",
    [
        {"family": "modbus"},
        {"family": "um"},
        {"family": "scpi", "settings": {"queries": 5}},
        {"family": "line", "settings": {"regex": "("}},
        {"family": "line", "settings": {"forms": [{"form": "xml", "fields": "power_W"}]}},
    ],
)
def test_settings_that_do_not_fit_the_family(described):
    with pytest.raises(SourceError, match="do not fit the family"):
        meters.decoder(meters.meter(described))


@pytest.mark.parametrize("text", ["[" * 1000, f'{{"p": {"9" * 900}}}', '{"p": 1e999}', "[1]"])
def test_json_that_a_meter_should_not_print_is_not_believed(text):
    settings = {"forms": [{"form": "json", "fields": "p=power_W"}]}
    (record,) = line(settings, text.encode("ascii") + b"\n")
    assert record.kind != "reading"


def line(settings, text, **more):
    """The records of one text read with settings of one's own."""
    return meters.decoder(
        meters.meter(dict({"family": "line", "settings": settings}, **more))
    ).feed(text)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"columns": "t_ms,voltage_V,current_mA,power_mW"}, b"1,19.020,631.0,12001.6\n"),
        ({"columns": "voltage_mV current_uA", "separator": ";"}, b"19020;631000\n"),
        ({"columns": "voltage_V,current_A", "separator": ";", "decimal": ","}, b"19,020;0,631\r\n"),
        (
            {"regex": r"U (?P<voltage_V>[\d.]+) V, P (?P<power_mW>\d+) mW"},
            b"U 19.02 V, P 12002 mW\n",
        ),
        ({"forms": [{"form": "pairs", "fields": "V=voltage_V P=power_mW"}]}, b"P=12002, V=19.02\n"),
        (
            {"forms": [{"form": "json", "fields": "bus.mW=power_mW"}]},
            b'{"bus": {"mW": 12002}, "more": [1]}\n',
        ),
        ({"columns": "power_W", "ignore": "#.*"}, b"# hello\n12.002\n"),
        ({"columns": "power_W", "checksum": "xor"}, b"12.002*1F\n"),
    ],
)
def test_a_line_of_ones_own(settings, text):
    (record,) = line(settings, text)
    assert record.kind == "reading", record
    assert record.power_w == pytest.approx(12.002, abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "text", "why"),
    [
        ({"columns": "power_W"}, b"12,002\n", "not a line"),
        ({"columns": "power_W"}, b"1_2.0\n", "not a number"),  # Python's float takes this
        ({"columns": "power_W"}, b"12.0 \n", "not a number"),
        ({"columns": "power_W"}, b"\xef\xbb\xbf12.0\n", "ascii"),
        ({"columns": "power_W", "decimal": ","}, b"12.002\n", "point"),
        ({"columns": "power_W", "checksum": "xor"}, b"12.002\n", "checksum"),
        ({"columns": "power_W", "checksum": "xor"}, b"12.003*1F\n", "checksum"),
        ({"columns": "voltage_V,current_A,power_W"}, b"19.0,0.63,21.97\n", "19 V x 0.63 A"),
        ({"columns": "power_W"}, b"-7\n", "outside"),
        ({"columns": "power_W"}, b"99999\n", "outside"),
        ({"columns": "power_W,voltage_V"}, b"12,19000\n", "above"),
        ({"columns": "power_W,current_A"}, b"12,630\n", "above"),
        ({"columns": "n:int,power_W"}, b"1.5,12\n", "whole number"),
        ({"forms": [{"form": "json", "fields": "p=power_W"}]}, b'{"p": true}\n', "not a number"),
        ({"forms": [{"form": "json", "fields": "p=power_W"}]}, b'{"q": 12}\n', "not a line"),
        ({"forms": [{"form": "pairs", "fields": "P=power_W"}]}, b"P=12 P=13\n", "not a line"),
    ],
)
def test_a_line_that_is_not_believed(settings, text, why):
    (record,) = line(settings, text)
    assert record.kind == "damaged", record
    assert record.power_w is None
    assert why in record.reason


def test_a_counter_must_go_up_and_begins_anew_after_a_gap():
    decoder = meters.decoder(meters.meter("diy-checked"))

    def text(number):
        body = b"D,%d,0,19020,631000,12000" % number
        return body + b"*%02X\n" % xor(body)

    kinds = [decoder.feed(text(number))[0].kind for number in (5, 6, 6, 7, 3, 4)]
    assert kinds == ["reading", "reading", "damaged", "reading", "damaged", "reading"]
    decoder.resync()
    assert [r.kind for r in decoder.feed(b"the rest of a line\n" + text(1))] == ["reading"]


def test_the_first_line_after_a_gap_is_never_read():
    decoder = meters.decoder(meters.meter({"family": "line", "settings": {"columns": "power_W"}}))
    decoder.resync()
    assert [r.power_w for r in decoder.feed(b"2.0\n12.0\n")] == [12.0]


def test_a_line_without_end_does_not_fill_the_memory():
    decoder = meters.decoder(meters.meter("csv-vip"))
    found = []
    for _ in range(40):
        found += decoder.feed(b"\xf8" * 100)
        assert len(decoder.buffer) <= LONGEST_LINE + 100
    assert {r.kind for r in found} == {"damaged"}
    assert decoder.feed(b"\n1,19.000,0.500,9.500\n")[-1].power_w == 9.5


def test_fields_that_are_none_and_settings_that_say_nothing():
    for make in (lambda: field("two words"), lambda: line({}, b"")):
        with pytest.raises(SourceError) as caught:
            make()
        assert caught.value.hint


def test_ac_and_dc_gates():
    wall = Gates(ac=True)
    assert out_of_gate(wall, 7.0, 120.0, 0.1) == ""
    assert out_of_gate(Gates(), 7.0, 120.0, 0.1)
    assert out_of_gate(wall, 13.0, 120.0, 0.1)
    assert out_of_gate(wall, 7.0, 120.0, 0.1, 0.58) == ""
    assert out_of_gate(wall, 7.0, 120.0, 0.1, 0.9)
    assert judge(wall, {}, None, 120.0, 0.1).kind == "flagged"  # volts x amperes are no watts on AC
    assert judge(Gates(sentinels=(-1.0,)), {}, -1.0).reason == "no_data"


def test_an_unrequested_answer_is_refused():
    decoder = meters.decoder(meters.meter("rigol-dp800"))
    decoder.resync()
    assert decoder.feed(b"19.0,0.5,9.5\n")[0].kind == "damaged"
    decoder.sent(decoder.poll()[0].data)
    assert [r.kind for r in decoder.feed(b"19.0,0.5,9.5\n19.0,0.5,9.5\n")] == ["reading", "damaged"]
    decoder.sent(b"*IDN?\n")
    assert decoder.feed(b"19.0,0.5,9.5\n")[0].kind != "reading"


def test_two_questions_make_one_reading():
    decoder = meters.decoder(meters.meter("keysight-e36300"))
    kinds = []
    for ask, reply in zip(decoder.poll(), (b"19.02\n", b"0.631\n")):
        decoder.sent(ask.data)
        (record,) = decoder.feed(reply)
        kinds.append(record.kind)
    assert kinds == ["note", "reading"]
    assert record.power_w == pytest.approx(12.00162)
