"""A damaged header of power.csv is refused in one line, never with a traceback."""

import json

import pytest

from joulebird.devices.powerlog_read import read_log
from joulebird.devices.replay import ReplaySource
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.powerlog import MAGIC, format_header, format_row

SOURCE = {
    "name": "ina3221",
    "sampling": "snapshot",
    "scope": "module",
    "rails": ["VDD_IN", "VDD_MUX"],
    "total": ["VDD_IN"],
    "real": True,
    "accuracy": {"gain": 0.01, "offset_mw": {"VDD_IN": 76.0}, "quantum_mw": 8},
    "recorder": {"period_s": 0.02, "mean_period_s": 0.02},
    "path": "/sys",
    "serial": "1",
}
CLOCK = {"monotonic_s": 1.0, "wall_s": 1.7e9, "boot_id": "b", "u_s": 0.001}
ROWS = b"".join(
    format_row(0.1 * i, {"VDD_IN": 3.0, "VDD_MUX": 1.0}, ("VDD_IN", "VDD_MUX")) for i in range(3)
)
HEAD = format_header(SOURCE, CLOCK)
DEEP = "[" * 3000 + "]" * 3000
VALUES = ["1", '"x"', "[]", "{}", "[1]", '{"VDD_IN": "x"}', "NaN", "-Infinity", "9" * 5000, DEEP]
VALUES += ["null", "true", '["VDD_IN"]', '{"gain": [1]}', '{"gain": NaN}', '{"period_s": "x"}']
VALUES += ['{"gain": {"VDD_IN": {}}}', '{"mean_period_s": []}', '{"offset_mw": 1e400}']


def board(path):
    """All that the board does with a log."""
    read_log(path)
    source = ReplaySource(path, clock=lambda: 0.0)
    source.open()
    source.read()
    json.dumps(source.describe())
    source.close()


def refusal_of(path, reader):
    """The error of a reader, which must be one line with a remedy; None where it can read."""
    try:
        reader(path)
    except HarnessError as error:
        return error
    return None


def check(tmp_path, content, reader, refused=None):
    """Read a log of these bytes; anything but a HarnessError fails the test."""
    path = tmp_path / "power.csv"
    path.write_bytes(content)
    error = refusal_of(str(path), reader)
    if error is not None:
        assert "\n" not in error.message
        assert len(error.message) < len(str(path)) + 200
        assert error.hint
        assert str(path) in error.message
    if refused is not None:
        assert (error is not None) == refused, content[:300]


def cut_heads(tmp_path, reader):
    """Read a log whose header was cut at every byte."""
    for size in range(len(HEAD)):
        cut = HEAD[:size]
        check(tmp_path, cut, reader, refused=True)
        restarted = cut + b"\n" + HEAD + ROWS
        check(tmp_path, restarted, reader, refused=size < len(MAGIC))
    for size in [*range(0, len(HEAD) - 1, 9), len(HEAD) - 2]:
        cut = HEAD[:size]
        check(tmp_path, cut + ROWS, reader, refused=True)
        check(tmp_path, HEAD + ROWS + cut, reader, refused=False)
        check(tmp_path, HEAD + ROWS + cut + b"\n" + HEAD + ROWS, reader, refused=False)


def changed_heads(tmp_path, reader):
    """Read a log with every field of its header replaced by every value."""
    for word, facts in ((b"source", SOURCE), (b"clock", CLOCK)):
        whole = json.dumps(facts, sort_keys=word == b"source").encode()
        assert b"# " + word + b" " + whole in HEAD
        for value in VALUES:
            check(tmp_path, HEAD.replace(whole, value.encode()) + ROWS, reader)
            for field in facts:
                text = json.dumps(dict(facts, **{field: "HERE"})).replace('"HERE"', value)
                check(tmp_path, HEAD.replace(whole, text.encode()) + ROWS, reader)
        for field in facts:
            lacking = {name: facts[name] for name in facts if name != field}
            check(tmp_path, HEAD.replace(whole, json.dumps(lacking).encode()) + ROWS, reader)


def flipped_heads(tmp_path, reader):
    """Read a log with one byte of its header changed."""
    for at in range(0, len(HEAD), 3):
        byte = b"\n{9\x00[\xff "[at % 7]
        check(tmp_path, HEAD[:at] + bytes([byte]) + HEAD[at + 1 :] + ROWS, reader)


@pytest.mark.parametrize("damage", [cut_heads, changed_heads, flipped_heads])
def test_the_board_refuses_in_one_line(tmp_path, damage):
    damage(tmp_path, board)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("accuracy", [1]),
        ("accuracy", {"gain": "1 %"}),
        ("accuracy", {"gain": [1]}),
        ("rails", "VDD_IN"),
        ("rails", {"VDD_IN": 1}),
        ("rails", [1, 2]),
        ("total", "VDD_IN"),
        ("sampling", 3),
        ("recorder", []),
        ("recorder", {"mean_period_s": "x"}),
        ("accuracy", {"gain": -1}),
    ],
)
def test_the_field_of_a_wrong_type_is_named(tmp_path, field, value):
    path = tmp_path / "power.csv"
    path.write_bytes(format_header(dict(SOURCE, rails=["A"], total=["A"]), CLOCK) + ROWS)
    text = path.read_bytes().split(b"\n")
    text[1] = b"# source " + json.dumps(dict(SOURCE, **{field: value})).encode()
    path.write_bytes(b"\n".join(text))
    error = refusal_of(str(path), read_log)
    assert error is not None
    assert f"field '{field}" in error.message
    assert "line 1" in error.message


def test_nan_in_a_header_is_named(tmp_path):
    path = tmp_path / "power.csv"
    path.write_bytes(format_header(SOURCE, dict(CLOCK, wall_s=float("nan"))) + ROWS)
    error = refusal_of(str(path), read_log)
    assert error is not None
    assert "the `# clock` line is damaged: NaN is not a finite number" in error.message
