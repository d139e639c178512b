"""Damaged and hostile files: every reader and verb names file and field in one line."""

import copy
import json
import os
import sys

import pytest

from joulebird.harness.core import records
from joulebird.harness.core.errors import HarnessError

if sys.version_info < (3, 11):
    pytest.skip("the desk's verbs", allow_module_level=True)

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulebird.harness.cli.main import main
from tests.reports.write_runs import Folder

DELETE = "DELETE"
VALUES = (
    *(None, [], {}, [[1]], {"a": 1}, "text", "", "a\0b", "../..", True, 0.5, -1),
    *(10**18, 10**25, 1e300, -1e300, "NaN", "DIGITS", "DEEP", DELETE),
)
STAGE, RUN = "search-1", "run"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with one finished run of two stages, as small as the reports accept."""
    path = tmp_path_factory.mktemp("damage")
    folder = Folder(path / "runs", epoch_s=1.0)
    folder.idle(seconds=2.0)
    stages = [folder.stage(STAGE, 2), folder.stage("retrain-1", 2, 8.0, "thin")]
    metrics = {"search": {"epochs_trained": 2, "paper_n": 3}}
    options = {"weights": "inherit", "draw_at": None}
    made = folder.run("eb-train", 0.5, stages, metrics=metrics, options=options)
    os.rename(path / "runs" / made, path / "runs" / RUN)
    record = path / "runs" / RUN / records.RECORD
    record.write_text(record.read_text().replace(made, RUN))
    return path / "runs"


FILES = {
    "stage.json": f"stages/{STAGE}/stage.json",
    "events.jsonl": f"stages/{STAGE}/events.jsonl",
    "record.json": f"{RUN}/record.json",
    "spec.json": f"{RUN}/spec.json",
}


def paths_of(value, path=()):
    """The path of every field in a JSON value, tables and lists included."""
    if not isinstance(value, (dict, list)):
        return
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        yield from paths_of(part, (*path, key))


def changed(value, path, new):
    """A copy of a JSON value with one field replaced or deleted."""
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if new == DELETE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return value


def text_of(value):
    """JSON, with what no writer of ours can write in place of three words."""
    text = json.dumps(value).replace('"NaN"', "NaN").replace('"DIGITS"', "9" * 5000)
    return text.replace('"DEEP"', "[" * 3000 + "]" * 3000)


def values_in(path):
    """The JSON values of a file: one, or one for each line."""
    text = path.read_text()
    return (
        [json.loads(line) for line in text.splitlines()]
        if path.suffix == ".jsonl"
        else [json.loads(text)]
    )


def damaged(path):
    """Every damaged content of a file: (what was changed, content)."""
    values = values_in(path)
    for at in paths_of(values):
        for new in VALUES if len(at) > 1 else ():
            yield (at, new), "\n".join(map(text_of, changed(values, at, new))) + "\n"


READERS = {
    "stage.json": lambda root: records.read_stage(root, STAGE),
    "events.jsonl": lambda root: records.read_events(os.path.join(root, FILES["events.jsonl"])),
    "record.json": lambda root: records.read_run(root, RUN),
}


def refusal(function):
    """The HarnessError that a call raises, or None."""
    try:
        function()
    except HarnessError as error:
        return error
    return None


@pytest.mark.parametrize("name", list(READERS))
def test_a_reader_names_the_file_and_nothing_else_escapes(root, name):
    path = root / FILES[name]
    whole = path.read_text()
    refused = 0
    try:
        for change, text in damaged(path):
            path.write_text(text)
            error = refusal(lambda: READERS[name](str(root)))
            if error is None:
                continue
            refused += 1
            assert str(path) in error.message, change
            assert "\n" not in error.message, change
            assert len(error.message) < len(str(path)) + 300, change
            assert error.hint, change
            assert name != "events.jsonl" or " line " in error.message, change
    finally:
        path.write_text(whole)
    assert refused > 100


def said(capsys, words):
    """The exit code of a command, and the lines that it wrote to stderr."""
    code = main([str(word) for word in words])
    return code, capsys.readouterr().err.strip().splitlines()


def verbs(root):
    """The commands that read a folder of runs."""
    stage = root / "stages" / STAGE
    return (
        ("table", "2", root),
        ("check", root),
        ("compare", root, root),
        ("report", root, "-o", root.parent / "report.html"),
        ("energy", stage / "power.csv", "--events", stage / "events.jsonl"),
        ("run", root / RUN / "spec.json", "-n", "--runs", root),
        ("flops", "--model", "vgg16", "--dataset", "digits", "--channels", stage / "stage.json"),
        ("plan", root / RUN / "spec.json", "--runs", root, "--board", "here", "--ids"),
    )


@given(data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_verb_shows_a_traceback(root, capsys, monkeypatch, data):
    monkeypatch.setenv("JOULEBIRD_CONFIG", str(root.parent / "config.toml"))
    (root.parent / "config.toml").write_text("")
    path = root / FILES[data.draw(st.sampled_from(sorted(FILES)), "file")]
    words = data.draw(st.sampled_from(verbs(root)), "verb")
    values = values_in(path)
    at = data.draw(st.sampled_from([at for at in paths_of(values) if len(at) > 1]), "field")
    new = data.draw(st.sampled_from(VALUES), "value")
    whole = path.read_text()
    try:
        path.write_text("\n".join(map(text_of, changed(values, at, new))) + "\n")
        code, lines = said(capsys, words)
    finally:
        path.write_text(whole)
    assert code in (0, 2, 6), (words, lines)
    assert code == 0 or len(lines) <= 2, lines
