"""Run a list of specs one after the other; a run that fails does not stop the others."""

from typing import Any, Dict, List, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.records import STAGE, RunRecord, is_done, stage_dir
from joulebird.harness.runs.checkpoints import writing
from joulebird.harness.runs.run import planned, run_spec
from joulebird.harness.runs.rundir import split
from joulebird.harness.runs.spec import RunSpec

TRAINING_FAILED = 5


def run_all(
    session: Any, specs: List[RunSpec]
) -> Tuple[List[RunRecord], List[Tuple[RunSpec, Any]]]:
    """Bring all specs to their end; gives the records and the failures (spec, error).

    Only failed training (exit code 5) of one run lets the others go on; a full disk, a broken sensor or a wrong spec ends the session.
    """
    records, failures = [], []
    with writing(f"{session.root}/"):
        _plan(session, specs)
        session.find_data(specs)
        for number, spec in enumerate(specs, 1):
            session.progress.run_begin(number, len(specs), spec.id)
            try:
                records.append(run_spec(session, spec))
            except Exception as error:
                if getattr(error, "exit_code", None) != TRAINING_FAILED or isinstance(
                    error, HarnessError
                ):
                    raise
                failures.append((spec, error))
                session.progress.say(f"  failed: {error}")
    return records, failures


def _plan(session: Any, specs: List[RunSpec]) -> None:
    """Tell the estimate which stages lie ahead."""
    ahead: Dict[str, str] = {}
    for spec in split(session.root, specs)[1]:
        for stage in planned(spec, session.root, session.backend):
            if not is_done(stage_dir(session.root, stage.id), STAGE):
                ahead[stage.id] = stage.function
    session.progress.estimate.plan(ahead)
