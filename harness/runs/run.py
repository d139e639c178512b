"""Bring a run to its end: the `Run` that a method is given, and the record of the result."""

import contextlib
import os
import time
from typing import Any, Callable, List, Tuple

import joulebird
from joulebird.baselines import METHODS
from joulebird.harness.core import records
from joulebird.harness.core.registry import find
from joulebird.harness.runs.checkpoints import Damaged
from joulebird.harness.runs.engine import Asked, StageFunction, accuracy_of, perform
from joulebird.harness.runs.recipe import Artifact, NotDone, recipe_of, replaced, stage_id
from joulebird.harness.runs.rundir import is_finished, reopen, sources_of
from joulebird.harness.runs.spec import RunSpec
from joulebird.harness.runs.stage import Interrupted
from joulebird.harness.runs.warnings import warning


class Run:
    """The second argument of a method: it asks for stages, and knows its spec.

    `prune_ratio` is the share of channels or weights to remove.
    """

    def __init__(
        self, spec: RunSpec, root: str, saving: Callable[[], Any], session: Any = None
    ) -> None:
        """Without a session nothing is trained: stages are only named (a plan)."""
        self.spec, self.prune_ratio = spec, spec.prune_ratio
        self.asked: List[Asked] = []
        self._root, self._saving, self._session = root, saving, session

    def stage(self, name: str, function: StageFunction, *inputs: Any, **options: Any) -> Artifact:
        """Do a stage, or reuse a finished one of the same recipe; return a handle to its result."""
        recipe = recipe_of(function, inputs, options)
        artifact = Artifact(self._root, stage_id(recipe), self._saving)
        upstream: List[Artifact] = []
        replaced([list(inputs), options], upstream.append)
        asked = Asked(name, artifact.id, recipe["function"], tuple(a.id for a in upstream), options)
        if artifact.id not in [known.id for known in self.asked]:
            self.asked.append(asked)
        session = self._session
        if session is not None and artifact.done():
            session.progress.reused(name, artifact.id)
            session.study.append(artifact.id)
        elif session is not None:
            if not session.stopping:
                session.begin_work(artifact.id)
            if session.stopping:
                raise Interrupted(f"before stage {name}")
            perform(session, asked, function, inputs, recipe)
        return artifact


def planned(spec: RunSpec, root: str, backend: Any) -> List[Asked]:
    """Return the stages of a run without doing them, up to where a result is needed."""
    run = Run(spec, root, backend.saving)
    with contextlib.suppress(NotDone, Damaged):
        _call(run, backend.task_from(spec.to_dict()))
    return run.asked


def run_spec(session: Any, spec: RunSpec) -> records.RunRecord:
    """Bring one run to its end and return its record; a finished run is only read."""
    if is_finished(session.root, spec.id):
        return records.read_run(session.root, spec.id)
    folder = records.run_dir(session.root, spec.id)
    os.makedirs(folder, exist_ok=True)
    records.write_json(os.path.join(folder, records.SPEC), spec.to_dict())
    run, last = _stages_done(session, spec)
    if not isinstance(last, Artifact):
        given = f"not {type(last).__name__}"
        raise TypeError(f"method {spec.method} must return the artifact of its last stage, {given}")
    done = _record(session, spec, [stage.id for stage in run.asked], last.id)
    records.write_run(session.root, done)
    return done


def _stages_done(session: Any, spec: RunSpec) -> Tuple[Run, Any]:
    """Call the method; do a stage again, once, when its result turns out to be damaged."""
    redone: List[str] = []
    while True:
        run = Run(spec, session.root, session.backend.saving, session)
        try:
            return run, _call(run, session.task(spec))
        except Damaged as error:
            folder, file = os.path.split(error.path)
            if folder in redone:
                raise
            redone.append(folder)
            stage = {"stage": os.path.basename(folder), "file": file, "reason": error.reason}
            found = warning("result_damaged", stage)
            session.progress.warn(found)
            reopen(folder, found)


def _call(run: Run, task: Any) -> Any:
    """Call the method of a run's spec with its options as keywords."""
    return find(METHODS, "method", run.spec.method)(task, run, **run.spec.to_dict()["options"])


def _record(session: Any, spec: RunSpec, ids: List[str], last: str) -> records.RunRecord:
    stages = [records.read_stage(session.root, stage) for stage in ids]
    warnings = [dict(warning, stage=stage.name) for stage in stages for warning in stage.warnings]
    return records.RunRecord(
        id=spec.id,
        spec=spec.to_dict(),
        stages=tuple(ids),
        accuracy=accuracy_of(session.root, last),
        metrics={stage.name: stage.metrics for stage in stages if stage.metrics},
        warnings=tuple(warnings),
        environment=session.environment(),
        source=stages[-1].source,
        sessions=tuple(dict.fromkeys(stage.session for stage in stages)),
        finished=round(time.time(), 3),
        joulebird=joulebird.__version__,
        sources=sources_of(spec.to_dict()),
    )
