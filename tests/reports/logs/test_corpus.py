"""The corpus of foreign logs: every one gives its true joules, or one clear error."""

import re

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.trace import PowerTrace
from tests.reports.logs.corpus import CASES


def verdict(path, arguments):
    """Return the joules, or the text of the refusal with its remedy."""
    try:
        trace = PowerTrace.load(str(path), **arguments)
        energy = trace.energy()
    except HarnessError as error:
        remedy, shown = error.hint, error.message
    else:
        remedy = shown = None
    if shown:
        assert remedy
        assert shown.isprintable()
        return f"{shown} / {remedy}"
    if trace.reading:
        assert trace.reading.as_text().startswith("read as: ")
    return energy.void_reason if energy.void else energy.joules


def test_the_corpus_is_large():
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_joules_are_true_or_refused(tmp_path, case):
    path = tmp_path / "log.csv"
    path.write_bytes(case.data)
    found = verdict(path, case.arguments)
    if isinstance(case.truth, str):
        assert re.search(case.truth, str(found)), found
    else:
        assert found == pytest.approx(case.truth, rel=2e-3, abs=1e-6)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name.startswith("ours")], ids=lambda c: c.name
)
def test_a_copy_keeps_what_the_source_states(tmp_path, case):
    (tmp_path / "copy.csv").write_bytes(case.data)
    trace = PowerTrace.load(str(tmp_path / "copy.csv"))
    assert trace.words == ("simulated",)
    assert trace.scope == "module"
    assert trace.source["sampling"] == "average"
    assert trace.source["accuracy"] == {"gain": 0.02}
    assert trace.reading is None


def test_lines_of_damage_are_named(tmp_path):
    half = next(case for case in CASES if case.name == "ours-half-torn")
    (tmp_path / "power.csv").write_bytes(half.data)
    trace = PowerTrace.load(str(tmp_path / "power.csv"))
    assert trace.problems()[0].startswith("120 damaged lines skipped (first: line 7, 9, 11")
    assert trace.energy().coverage == pytest.approx(0.5, abs=0.01)
