"""Bring runs to their end: the `Run` that a method is given, and the record of the result."""

import contextlib
import os
import time
from typing import Any, Callable, List, Mapping, NamedTuple, Tuple

import joulebird
from joulebird.harness import registries
from joulebird.harness.core import records as record
from joulebird.harness.core.errors import TrainingError
from joulebird.harness.runs.checkpoints import writing
from joulebird.harness.runs.engine import StageFunction, accuracy_of, perform
from joulebird.harness.runs.recipe import Artifact, NotDone, artifacts, recipe_of, stage_id
from joulebird.harness.runs.rundir import is_finished, split
from joulebird.harness.runs.spec import RunSpec
from joulebird.harness.runs.stage import Interrupted

Failures = List[Tuple[RunSpec, TrainingError]]


class Asked(NamedTuple):
    """A stage that a method asked for, by the name it gave.

    `function` is a dotted name, `upstream` are the ids of the stages that it builds on.
    """

    name: str
    id: str
    function: str
    upstream: Tuple[str, ...]
    options: Mapping[str, Any]


class Run:
    """The second argument of a method: it asks for stages, and knows its spec."""

    def __init__(
        self, spec: RunSpec, root: str, saving: Callable[[], Any], session: Any = None
    ) -> None:
        """Without a session nothing is trained: stages are only named (a plan)."""
        self.spec = spec
        self.asked: List[Asked] = []
        self._root = root
        self._saving = saving
        self._session = session

    @property
    def prune_ratio(self) -> float:
        """The share of channels or weights to remove."""
        return self.spec.prune_ratio

    def stage(self, name: str, function: StageFunction, *inputs: Any, **options: Any) -> Artifact:
        """Do a stage, or reuse a finished one of the same recipe; return a handle to its result."""
        recipe = recipe_of(function, inputs, options)
        artifact = Artifact(self._root, stage_id(recipe), self._saving)
        if artifact.id not in [known.id for known in self.asked]:
            upstream = tuple(item.id for item in artifacts([list(inputs), options]))
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
    """Return the stages of a run without doing them, up to where a result is needed."""
    run = Run(spec, root, backend.saving)
    with contextlib.suppress(NotDone):
        _call(run, backend.task_from(spec.to_dict()))
    return run.asked


def run_spec(session: Any, spec: RunSpec) -> record.RunRecord:
    """Bring one run to its end and return its record; a finished run is only read."""
    if is_finished(session.root, spec.id):
        return record.read_run(session.root, spec.id)
    folder = record.run_dir(session.root, spec.id)
    os.makedirs(folder, exist_ok=True)
    record.write_json(os.path.join(folder, record.SPEC), spec.to_dict())
    run = Run(spec, session.root, session.saving, session)
    last = _call(run, session.task(spec))
    if not isinstance(last, Artifact):
        raise TypeError(
            f"method {spec.method} must return the artifact of its last stage, "
            f"not {type(last).__name__}"
        )
    done = _record(session, spec, [stage.id for stage in run.asked], last.id)
    record.write_run(session.root, done)
    return done


def _call(run: Run, task: Any) -> Any:
    """Call the method of a run's spec with its options as keywords."""
    return registries.load("method", run.spec.method)(task, run, **run.spec.to_dict()["options"])


def _record(session: Any, spec: RunSpec, ids: List[str], last: str) -> record.RunRecord:
    stages = [record.read_stage(session.root, stage) for stage in ids]
    warnings = [dict(warning, stage=stage.name) for stage in stages for warning in stage.warnings]
    return record.RunRecord(
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
    )


def run_all(session: Any, specs: List[RunSpec]) -> Tuple[List[record.RunRecord], Failures]:
    """Bring all specs to their end; return the records and the failures.

    Only a TrainingError lets the other runs continue; a full disk, a broken sensor or a wrong spec
    ends the session.
    """
    records: List[record.RunRecord] = []
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
    root = session.root
    plans = [planned(spec, root, session.backend) for spec in split(root, specs)[1]]
    functions = {stage.id: stage.function for stages in plans for stage in stages}
    session.progress.estimate.plan(
        {
            name: function
            for name, function in functions.items()
            if not record.is_done(record.stage_dir(root, name), record.STAGE)
        }
    )
