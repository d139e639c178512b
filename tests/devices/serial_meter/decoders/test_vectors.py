"""All frames of the five families: whole, byte by byte, split anywhere."""

import math
import struct

import pytest

from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.decoders.checksums import crc
from joulebird.devices.serial_meter.decoders.um import POLL
from joulebird.devices.serial_meter.decoders.wattsup import COMMANDS
from joulebird.harness.core.errors import SourceError
from tests.devices.serial_meter.vectors import VECTORS, frame, replies, spec

KINDS = {  # what the file of frames says is to be expected -> the kinds of the records
    "ok": None,  # anything but damaged; looked at one by one
    "ignore": [],
    "no_data": ["flagged"],
    "overrange": ["flagged"],
    "reject": ["damaged"],
    "checksum_error": ["damaged"],
    "crc_error": ["damaged"],
    "modbus_exception": ["flagged"],
    "incomplete": [],
    "timeout": [],
    "unknown model": ["damaged"],
    "ok if tail is not enforced": ["damaged"],  # it is enforced
    "checksum_error if enforced": ["damaged"],
    "one record after resync": ["reading"],
    "header must be stripped or refused": ["reading"],  # it is stripped
}
NOTHING_WHOLE = (
    "wattsup-shortcount",
    "um-unknown-model",
)  # no packet ends in these: they never come to be judged
NOT_A_READING = {
    "wattsup-version": "identity",
    "wattsup-user": "note",
    "wattsup-header": "note",
    "scpi-err": "note",
    "epm-hello": "identity",
    "epm-anchor": "note",
}
ids = [v["id"] for v in VECTORS]


def by_id(found):
    return pytest.mark.parametrize("vector", found, ids=lambda v: v["id"])


def decode(vector, *cuts):
    """The records of a frame fed in pieces, without what a decoder skips on the way to the first
    good one.
    """
    data = frame(vector)
    decoder = meters.decoder(meters.meter(spec(vector)))
    edges = (0,) + cuts + (len(data),)
    return [r for a, b in zip(edges, edges[1:]) for r in decoder.feed(data[a:b])]


def same(value, expected):
    if isinstance(expected, dict):
        return all(key in value and same(value[key], item) for key, item in expected.items())
    if isinstance(expected, list):
        return len(value) == len(expected) and all(same(a, b) for a, b in zip(value, expected))
    if expected is None:
        return value is None or not math.isfinite(value)  # a WT210's two codes for "no value"
    if expected == "inf":
        return value == float("inf")
    if isinstance(expected, float):
        return value == pytest.approx(expected, rel=1e-9, abs=1e-12)
    return value == expected


def all_fields(record):
    fields = dict(record.fields)
    if record.power_w is not None:
        fields.setdefault("power_W", record.power_w)
    return fields


def test_there_are_82_frames():
    assert len(VECTORS) == 82 == len(set(ids))


@by_id(replies())
def test_a_frame_decodes_to_its_values(vector):
    records = decode(vector)
    kinds = [r.kind for r in records]
    wanted = KINDS[vector["expect"]]
    if vector["id"] in NOTHING_WHOLE:
        assert kinds == []
    elif vector["expect"] == "one record after resync":
        assert kinds.count("reading") == 1
        assert kinds[-1] == "reading"
    elif wanted is None:
        assert kinds == [NOT_A_READING.get(vector["id"], "reading")], records
    else:
        assert kinds == wanted or (wanted == ["damaged"] and set(kinds) == {"damaged"}), records
    expected = {
        key: item
        for key, item in (vector["decoded"] or {}).items()
        if key not in ("items", "records", "float")
    }
    if expected:
        missing = {
            key: item
            for key, item in expected.items()
            if not same(all_fields(records[-1]).get(key), item)
        }
        assert not missing, records[-1]


@by_id(replies())
def test_a_frame_may_come_byte_by_byte_or_split_anywhere(vector):
    whole = repr(decode(vector))  # repr, because NaN is not equal to itself
    length = len(frame(vector))
    assert repr(decode(vector, *range(1, length))) == whole
    for cut in range(1, length):
        assert repr(decode(vector, cut)) == whole
    for cut in range(1, length - 1, 3):
        assert repr(decode(vector, cut, (cut + length) // 2)) == whole


@by_id([v for v in replies() if v["expect"] == "ok"])
def test_two_frames_in_one_piece_are_two(vector):
    decoder = meters.decoder(meters.meter(spec(vector)))
    decoder.meter.settings.pop("increasing", None)
    records = (
        decoder.feed(frame(vector) * 2)
        if vector["family"] != "scpi"
        else decoder.feed(frame(vector)) + decoder.feed(frame(vector))
    )
    assert [r.kind for r in records] == [records[0].kind] * 2
    assert records[0] == records[1]


def text_of(data):
    return {"command": data.decode("ascii").strip()}


def modbus_of(data):
    assert crc(data[:-2]) == data[-2:]
    names = ("unit", "function", "start", "count")
    return dict(zip(names, struct.unpack(">BBHH", data[:6]) if len(data) == 8 else data[:2]))


UNDERSTOOD = {
    "line": text_of,
    "scpi": text_of,
    "modbus": modbus_of,
    "rdtech_um": lambda data: {POLL: {"command": "send one 130-byte snapshot"}}[data],
    "wattsup": lambda data: {"command": COMMANDS[data]},
}


@by_id([v for v in VECTORS if v["direction"] == "request"])
def test_a_request_is_understood(vector):
    found = UNDERSTOOD[vector["family"]](frame(vector))
    expected = {key: item for key, item in vector["decoded"].items() if key != "meaning"}
    assert found == expected


def test_what_is_sent_is_what_the_protocols_say():
    """The requests that are ours to send, to the byte; the others are never among them."""
    sent = set()
    for name in (
        "wattsup",
        "um25c",
        "pzem004t",
        {"like": "pzem004t", "settings": {"unit": 0xF8}},
        "pzem017",
        "rd6006",
    ):
        decoder = meters.decoder(meters.meter(name))
        sent |= {ask.data for ask in decoder.start() + decoder.poll() + decoder.stop()}
    requests = {v["id"]: frame(v) for v in VECTORS if v["direction"] == "request"}
    never = {"wattsup-req-clear", "pzem-reset"}
    assert {key for key, data in requests.items() if data not in sent} == never


def test_a_damaged_request_of_a_modbus_log_is_refused():
    """Its registers would be read as others."""
    decoder = meters.decoder(meters.meter({"like": "pzem004t"}))
    request = decoder.poll()[0].data
    decoder.sent(request)
    with pytest.raises(SourceError, match="fails its checksum"):
        decoder.sent(request[:3] + bytes([request[3] ^ 1]) + request[4:])
