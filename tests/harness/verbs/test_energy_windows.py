"""`joulebird energy`: windows by marks in a column, a found load, the wall clock; net of idle."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from tests.harness.command import joulebird, refused

BEGIN = datetime(2026, 3, 1, 10, 0, tzinfo=timezone.utc).timestamp()
PHASES = [("idle", 3)] * 60 + [("train", 13)] * 120 + [("idle", 3)] * 60  # seconds of each


def stamped(hours):
    begin = datetime.fromtimestamp(BEGIN + 3600 * hours, timezone.utc)
    rows = [
        f"{begin + timedelta(seconds=i):%Y-%m-%d %H:%M:%S},{watts},{name}\n"
        for i, (name, watts) in enumerate(PHASES)
    ]
    return "time,power [W],phase\n" + "".join(rows)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text(stamped(0))
    (tmp_path / "berlin.csv").write_text(stamped(2))
    (tmp_path / "zulu.csv").write_text(
        "time,power [W]\n" + "".join(f"{BEGIN + i:.3f},{w}\n" for i, (_, w) in enumerate(PHASES))
    )
    first = {"attempt": 1, "boot_id": "b", "wall_s": BEGIN + 10, "pid": 1, "session": "s"}
    events = [
        {"t_s": 510.0, "event": "attempt_begin", "from_epoch": 0, **first},
        {"t_s": 560.0, "event": "stage_begin"},
        {"t_s": 660.0, "event": "stage_end"},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    return tmp_path


def facts(*arguments):
    code, out, errors = joulebird("energy", *arguments, "--json")
    assert code == 0, errors
    return json.loads(out)


def joules(*arguments):
    return facts(*arguments)["energies"]["total"]["joules"]


def test_marks_in_a_column(here):
    assert joules("log.csv", "--mark", "phase=train") == pytest.approx(119 * 13 + 8, abs=0.01)
    idle = facts("log.csv", "--mark", "phase=idle")
    assert idle["energies"]["total"]["joules"] == pytest.approx(59 * 3 + 8 + 59 * 3, abs=0.01)
    assert idle["windows"][1]["end_s"] - idle["windows"][0]["begin_s"] == 239
    code, out, _ = joulebird("energy", "log.csv", "--mark", "phase=train")
    assert code == 0
    assert "note: phase=train, parts: 1" in out
    refused(2, ["energy", "log.csv", "--mark", "phase=test"], "it holds: idle, train")
    refused(2, ["energy", "log.csv", "--mark", "state=1"], "columns of marks: 'phase'")
    refused(2, ["energy", "zulu.csv", "--mark", "phase=train"], "none of its columns")


def test_marks_of_ptdaemon(here):
    rows = "".join(
        f"Time,03-01-2026 10:{i // 60:02d}:{i % 60:02d}.000,Watts,{w},Volts,230.0,Mark,{n}\n"
        for i, (n, w) in enumerate(PHASES)
    )
    (here / "spl.txt").write_text(rows)
    assert joules("spl.txt", "--mark", "Mark=train") == pytest.approx(119 * 13 + 3, abs=0.01)


def test_a_found_load_and_its_net_energy(here):
    table = facts("zulu.csv", "--find-load")
    assert table["energies"]["total"]["joules"] == pytest.approx(119 * 13 + 16, rel=0.01)
    assert table["notes"][0].startswith("load found from ")
    less = facts("zulu.csv", "--find-load", "--net")
    assert less["energies"]["total"]["joules"] == pytest.approx(120 * 10, rel=0.01)
    assert less["words"] == ["net"]
    assert "net of 3 " in less["notes"][1]
    marked = joules("log.csv", "--mark", "phase=train", "--net", "--idle-mark", "phase=idle")
    assert marked == pytest.approx(120 * 10, rel=0.01)
    code, out, _ = joulebird("energy", "zulu.csv", "--find-load", "--net")
    assert code == 0
    assert " J (net)" in out
    refused(2, ["energy", "zulu.csv", "--net"], "needs an idle power")
    refused(2, ["energy", "zulu.csv", "--find-load", "--mark", "a=b"], "both say which window")
    refused(2, ["energy", "zulu.csv", "--find-load", "--from", "3"], "both say which window")


def test_events_in_a_log_of_the_wall_clock(here):
    wanted = pytest.approx(100 * 13, abs=0.01)  # from second 60 to 160: idle to 60, then load
    assert joules("zulu.csv", "--events", "events.jsonl") == wanted
    table = facts("berlin.csv", "--events", "events.jsonl")
    assert table["energies"]["total"]["joules"] == wanted
    assert "UTC+2 h" in table["notes"][0]
    assert joules("berlin.csv", "--events", "events.jsonl", "--zone", "2") == wanted
    refused(2, ["energy", "berlin.csv", "--events", "events.jsonl", "--zone", "1"], "0 time zones")


def test_a_day_of_log_holds_the_events_in_many_zones(here):
    rows = "".join(f"2026-03-01 {h:02d}:{m:02d}:00,5\n" for h in range(24) for m in range(60))
    (here / "day.csv").write_text("time,power [W]\n" + rows)
    command = ["energy", "day.csv", "--events", "events.jsonl"]
    errors = refused(2, command, "time zones")
    assert "--zone" in errors
    assert joules(*command[1:], "--zone", "0") == pytest.approx(500)


def test_a_time_of_day_is_of_the_zone_in_the_stamps(here):
    rows = "".join(f"2026-03-01T10:{m:02d}:00+05:30,6\n" for m in range(30))
    (here / "delhi.csv").write_text("time,power [W]\n" + rows)
    assert joules("delhi.csv", "--from", "10:10", "--to", "10:20") == pytest.approx(3600)
    command = ["energy", "delhi.csv", "--from", "09:59"]
    assert "10:00:00 to 10:29:00" in refused(2, command, "09:59 is not in it")
    west = (here / "delhi.csv").read_text().replace("+05:30", "-03:30")
    (here / "west.csv").write_text(west)
    assert joules("west.csv", "--from", "10:10", "--to", "10:20") == pytest.approx(3600)
