"""Bring runs to their end: the `Run` that a method is given, and the record of what it did."""

import contextlib
import os
import time
from typing import Any, Callable, List, Mapping, NamedTuple, Tuple

import joulebird
from joulebird.harness import registries
from joulebird.harness.core import records as record
from joulebird.harness.runs.engine import accuracy_of, perform
from joulebird.harness.runs.options import takes
from joulebird.harness.runs.recipe import Artifact, NotDone, artifacts, recipe_of, stage_id
from joulebird.harness.runs.rundir import is_finished
from joulebird.harness.runs.spec import RunSpec
from joulebird.harness.runs.stage import Interrupted


class Asked(NamedTuple):
    """A stage that a method asked for: the name it gave, its id, its function's dotted name, the stages it builds on, its options."""

    name: str
    id: str
    function: str
    upstream: Tuple[str, ...]
    options: Mapping[str, Any]


class Run:
    """What a method may ask for. `spec` is the whole RunSpec; `asked` are the stages so far, in order."""

    def __init__(
        self, spec: RunSpec, root: str, saving: Callable[[], Any], session: Any = None
    ) -> None:
        """Without a session nothing is trained: stages are only named (a plan)."""
        self.spec = spec
        self.asked = []  # type: List[Asked]
        self._root = root
        self._saving = saving
        self._session = session

    @property
    def prune_ratio(self) -> float:
        """The share of channels or weights to take away."""
        return self.spec.prune_ratio

    def stage(self, name: str, function: Callable, *inputs: Any, **options: Any) -> Artifact:
        """Do a stage, or reuse it when a stage with the same recipe is finished; gives a handle to its result."""
        recipe = recipe_of(function, inputs, options)
        artifact = Artifact(self._root, stage_id(recipe), self._saving)
        if artifact.id not in [one.id for one in self.asked]:
            upstream = tuple(one.id for one in artifacts([list(inputs), options]))
            self.asked.append(Asked(name, artifact.id, recipe["function"], upstream, options))
        if self._session is None:
            return artifact
        if artifact.done():
            self._session.progress.reused(name, artifact.id)
            return artifact
        if not self._session.stopping:
            self._session.begin_work()
        if self._session.stopping:
            raise Interrupted(f"before stage {name}")
        perform(self._session, name, function, inputs, options, recipe, artifact)
        return artifact


def planned(spec: RunSpec, root: str, backend: Any) -> List[Asked]:
    """The stages that a run consists of, named without doing them (up to where the method needs a result that is not there yet)."""
    run = Run(spec, root, backend.saving)
    with contextlib.suppress(NotDone):
        _call(run, backend.task_from(spec.to_dict()))
    return run.asked


def run_spec(session: Any, spec: RunSpec) -> record.RunRecord:
    """Bring one run to its end and give its record; a finished run is only read."""
    if is_finished(session.root, spec.id):
        return record.read_run(session.root, spec.id)
    folder = record.run_dir(session.root, spec.id)
    os.makedirs(folder, exist_ok=True)
    record.write_json(os.path.join(folder, record.SPEC), spec.to_dict())
    run = Run(spec, session.root, session.saving, session)
    last = _call(run, session.task(spec))
    ids = [one.id for one in run.asked]
    if not isinstance(last, Artifact):
        raise TypeError(
            f"method {spec.method} must return the artifact of its last stage, not {type(last).__name__}"
        )
    done = _record(session, spec, ids, last.id)
    record.write_run(session.root, done)
    return done


def _call(run: Run, task: Any) -> Any:
    path = registries.dotted("method", run.spec.method)
    method = registries.load("method", run.spec.method)
    options = {
        name: list(value) if isinstance(value, tuple) else value for name, value in run.spec.options
    }
    if takes(path, "prune_ratio"):
        options["prune_ratio"] = run.prune_ratio
    return method(task, run, **options)


def _record(session: Any, spec: RunSpec, ids: List[str], last: str) -> record.RunRecord:
    stages = [record.read_stage(session.root, stage) for stage in ids]
    warnings = []  # type: List[Dict[str, Any]]
    for stage in stages:
        warnings += [dict(one, stage=stage.name) for one in stage.warnings]
    sessions = []  # type: List[str]
    for stage in stages:
        sessions += [stage.session] if stage.session not in sessions else []
    return record.RunRecord(
        id=spec.id,
        spec=spec.to_dict(),
        stages=tuple(ids),
        accuracy=accuracy_of(session.root, last),
        metrics={stage.name: stage.metrics for stage in stages if stage.metrics},
        warnings=tuple(warnings),
        environment=session.environment(),
        source=stages[-1].source,
        sessions=tuple(sessions),
        finished=round(time.time(), 3),
        joulebird=joulebird.__version__,
    )
