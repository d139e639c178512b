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
