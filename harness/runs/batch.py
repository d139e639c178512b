"""Run a list of specs one after the other; a run that fails does not stop the others."""

from typing import Any, Dict, List, Tuple

from joulebird.harness.core.errors import TrainingError
from joulebird.harness.core.records import STAGE, RunRecord, is_done, stage_dir
from joulebird.harness.runs.checkpoints import writing
from joulebird.harness.runs.run import planned, run_spec
from joulebird.harness.runs.rundir import split
from joulebird.harness.runs.spec import RunSpec

Failures = List[Tuple[RunSpec, TrainingError]]


def run_all(session: Any, specs: List[RunSpec]) -> Tuple[List[RunRecord], Failures]:
    """Bring all specs to their end; return the records and the failures.

    Only a TrainingError lets the other runs continue; a full disk, a broken sensor or a wrong spec
    ends the session.
    """
    records: List[RunRecord] = []
    failures: Failures = []
    with writing(f"{session.root}/"):
        _plan(session, specs)
        session.find_data(specs)
        for number, spec in enumerate(specs, 1):
            session.progress.run_begin(number, len(specs), spec.id)
            try:
                records.append(run_spec(session, spec))
            except TrainingError as error:
                failures.append((spec, error))
                session.progress.say(f"  failed: {error}")
    return records, failures


def _plan(session: Any, specs: List[RunSpec]) -> None:
    """Give the estimate the stages that lie ahead."""
    ahead: Dict[str, str] = {}
    for spec in split(session.root, specs)[1]:
        for stage in planned(spec, session.root, session.backend):
            if not is_done(stage_dir(session.root, stage.id), STAGE):
                ahead[stage.id] = stage.function
    session.progress.estimate.plan(ahead)
