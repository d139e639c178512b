"""The stages of a run, finished or not."""

from typing import Any

from joulebird.harness.core.records import read_run, read_stage
from joulebird.harness.runs.run import Asked
from joulebird.harness.runs.run import planned as named
from joulebird.harness.runs.rundir import is_finished
from joulebird.harness.runs.spec import RunSpec


def planned(spec: RunSpec, root: str, backend: Any) -> list[Asked]:
    """Return the stages of a run, by its record or by its method, which needs torch."""
    if not is_finished(root, spec.id):
        return named(spec, root, backend)
    stages = [read_stage(root, stage_id) for stage_id in read_run(root, spec.id).stages]
    return [Asked(one.name, one.id, one.function, one.upstream, {}) for one in stages]
