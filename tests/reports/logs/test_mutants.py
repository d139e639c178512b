"""Changed logs: never a traceback, and where the structure changed, true joules or an error."""

import random
import signal

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.trace import PowerTrace
from tests.reports.logs import mutate
from tests.reports.logs.corpus import CASES

ROWS = 100
HANGS_S = 60
COUNTED = (mutate.cut_middle, mutate.repeat_block, mutate.drop_rows, mutate.twice)  # not timed


def late(signum, frame):
    raise TimeoutError(f"a log was read for {HANGS_S} s")


@pytest.fixture(autouse=True)
def alarm():
    before = signal.signal(signal.SIGALRM, late)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def joules(path, case):
    """Return the joules and the covered share; no joules for a refusal, which has a remedy."""
    signal.alarm(HANGS_S)
    try:
        trace = PowerTrace.load(str(path), **case.arguments)
        energy = trace.energy()
        if trace.reading:
            assert trace.reading.as_dict()["map"]
            assert trace.reading.as_text()
    except HarnessError as error:
        remedy, shown = error.hint, error.message
    else:
        return energy.joules
    assert remedy
    assert shown.isprintable()
    return None


def structural(path, bits, count):
    """Return the mutants whose joules are wrong without a word."""
    whole = [c for c in CASES if not isinstance(c.truth, str) and c.data.count(b"\n") > ROWS]
    whole = [case for case in whole if not case.name.endswith("utf-16")]
    wrong = []
    for _ in range(count):
        case, change = bits.choice(whole), bits.choice(mutate.STRUCTURAL)
        if "interval_s" in case.arguments and change in COUNTED:
            continue
        path.write_bytes(change(case.data, bits))
        if case.name == "glitch" and change is mutate.tear:
            continue  # 655 W of 65535 may be a true reading
        found = joules(path, case)
        allowed = 0.02 if change in COUNTED else 0.01  # of rows that are gone
        if found is not None and abs(found - case.truth) > allowed * abs(case.truth) + 1e-6:
            wrong.append((case.name, change.__name__, found, case.truth))
    return wrong


def any_bytes(path, bits, count):
    for _ in range(count):
        case = bits.choice(CASES)
        path.write_bytes(mutate.random_bytes(case.data, bits))
        joules(path, case)


def test_a_changed_structure_gives_true_joules_or_an_error(tmp_path):
    assert structural(tmp_path / "log.csv", random.Random(20), 400) == []


def test_changed_bytes_give_no_traceback(tmp_path):
    any_bytes(tmp_path / "log.csv", random.Random(21), 400)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_mutants(tmp_path, seed):
    assert structural(tmp_path / "log.csv", random.Random(seed), 6000) == []
    any_bytes(tmp_path / "log.csv", random.Random(100 + seed), 5000)
