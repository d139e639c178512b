"""`joulebird energy LOG`: the uncertainty with its parts, and the words that stay with a number."""

import io
import json
import os

import pytest

from joulebird.harness.cli.progress import Progress
from joulebird.harness.core import records as record
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.runs.session import Session, run_all
from joulebird.harness.runs.spec import from_dict
from joulebird.reports.runs.records import load
from tests.harness import toy
from tests.harness.command import joulebird
from tests.harness.runs.test_without_torch import SPEC
from tests.reports.write_logs import header, row

SENSOR = {"name": "serial", "sampling": "average", "rails": ["DC_IN"], "total": ["DC_IN"]}
WT310E = {"gain": 0.001, "offset_mw": 120.0, "quantum_mw": 1.0, "reference": "IM WT310E-02EN 7.3.2"}


def log_of(path, **source):
    rows = "".join(row(100_000 * k, 9200) for k in range(101))
    path.write_text(header(dict(SENSOR, **source)) + rows)
    return path


def test_the_uncertainty_has_its_parts(tmp_path):
    log = log_of(tmp_path / "power.csv", accuracy=WT310E)
    code, out, _ = joulebird("energy", log, "--json")
    total = json.loads(out)["energies"]["total"]
    assert code == 0
    assert total["joules"] == pytest.approx(92.0)
    # 95 % of 0.12 W for 10 s, a rectangle, and of 0.0092 W
    assert total["u_sensor_j"] == pytest.approx(1.148, abs=0.001)
    assert total["u_joules"] == pytest.approx(
        (total["u_sensor_j"] ** 2 + total["u_sampling_j"] ** 2) ** 0.5, rel=1e-3
    )
    _, out, _ = joulebird("energy", log)
    assert "92 J +- 1.1 J" in out
    assert "uncertainty (95 %): sensor 1.1 J, sampling" in out


@pytest.mark.parametrize("stated", [None, "not stated", dict.fromkeys(WT310E)])
def test_an_unknown_accuracy_is_named_and_is_no_zero(tmp_path, stated):
    more = {} if stated is None else {"accuracy": stated}
    if isinstance(stated, dict):
        more = {"accuracy": dict(stated, reference="not stated", quantum_mw=4.0)}
    log = log_of(tmp_path / "power.csv", **more)
    _, out, _ = joulebird("energy", log)
    assert "sensor accuracy not stated" in out
    total = json.loads(joulebird("energy", log, "--json")[1])["energies"]["total"]
    assert total["u_sensor_j"] is None
    assert total["u_joules"] == pytest.approx(total["u_sampling_j"])


@pytest.mark.parametrize(
    ("work", "warnings", "words"),
    [
        ({}, [], []),
        ({"precision": "bfp8"}, [], ["estimated"]),
        ({}, ["foreign_load"], ["foreign load"]),
        ({"precision": "wage8"}, ["resumed", "foreign_load"], ["estimated", "foreign load"]),
    ],
)
def test_the_words_of_a_stage_stay_with_the_energy_of_its_log(tmp_path, work, warnings, words):
    progress = Progress(io.StringIO(), environ={})
    with Session(str(tmp_path), Recorders({}), progress, backend=toy.Backend()) as session:
        run_all(session, [from_dict(SPEC)])
    (folder,) = (tmp_path / "stages").iterdir()
    stage = json.loads((folder / record.STAGE).read_text())
    stage["work"].update(work)
    stage["warnings"] = [{"name": name} for name in warnings]
    (folder / record.STAGE).write_text(json.dumps(stage))
    log = log_of(folder / record.POWER)
    facts = json.loads(joulebird("energy", log, "--json")[1])
    assert facts["words"] == words
    assert facts["energies"]["total"]["words"] == words
    _, out, _ = joulebird("energy", log)
    assert all(f"({word})" in out for word in words)
    os.remove(str(folder / record.STAGE))
    assert json.loads(joulebird("energy", log, "--json")[1])["words"] == []


def test_a_record_of_the_harness_is_not_taken_for_an_altered_one(tmp_path):
    progress = Progress(io.StringIO(), environ={})
    with Session(str(tmp_path), Recorders({}), progress, backend=toy.Backend()) as session:
        run_all(session, [from_dict(SPEC)])
    (run,) = load(tmp_path)
    assert (run.stages[-1].spoilt, run.misstated, run.marks) == ("", "", [])
    assert run.stages[-1].events[-1]["record"]["work"] == run.stages[-1].work


def test_an_empty_window_has_no_energy(tmp_path):
    log = log_of(tmp_path / "power.csv")
    code, out, errors = joulebird("energy", log, "--from", "0", "--to", "0")
    assert code == 6
    assert "mean" not in out
    assert "the window spans no time" in errors


def test_a_map_does_not_strip_a_log_of_its_words(tmp_path):
    log = log_of(tmp_path / "power.csv", simulated=True, real=False)
    code, out, errors = joulebird("energy", log, "--map", "t=t_us,w=DC_IN_mw")
    assert code != 0
    assert " J" not in out
    assert "--rail" in errors
