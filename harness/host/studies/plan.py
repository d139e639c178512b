"""Predict the cost of a study: runs, shared stages, FLOPs, hours and joules as intervals.

A stage is predicted, in this order: from finished stages of the same method's function, setting,
batch, precision and ratio (of any ratio, if they train nothing); for the training of the dense
network, from recorded epochs of the same structure; for anything else that may train, as at most a
full training of the dense network. Without any such record it is unknown, never zero.
"""

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

from joulebird.harness.core.flops import training_flops, work_flops
from joulebird.harness.core.jsonfile import plain
from joulebird.harness.core.records import STAGE, is_done, read_run, read_stage, stage_dir
from joulebird.harness.core.registry import import_module
from joulebird.harness.runs.engine import Asked
from joulebird.harness.runs.run import planned
from joulebird.harness.runs.rundir import is_finished
from joulebird.harness.runs.spec import RunSpec, digest
from joulebird.reports.runs.accounting import stage_energy
from joulebird.reports.runs.records import FinishedRun, FinishedStage

DENSE = "joulebird.baselines.training.loop:train"
FULL = "fp32"
Key = tuple[Any, ...]


class Interval(NamedTuple):
    """From the least to the most; None for an unknown bound."""

    low: float | None
    high: float | None

    def plus(self, other: "Interval") -> "Interval":
        """Return the sum; an unknown bound stays unknown.

        >>> Interval(1, 2).plus(Interval(3, None))
        Interval(low=4, high=None)
        """
        pairs = zip(self, other, strict=True)
        return Interval(*(None if a is None or b is None else a + b for a, b in pairs))

    def times(self, factor: float) -> "Interval":
        """Return both bounds times a factor."""
        return Interval(*(None if bound is None else bound * factor for bound in self))


UNKNOWN = Interval(None, None)
NOTHING = Interval(0.0, 0.0)


class Guess(NamedTuple):
    """The predicted cost of a stage; `words` must stand beside the joules."""

    seconds: Interval = NOTHING
    joules: Interval = NOTHING
    flops: Interval = NOTHING
    words: tuple[str, ...] = ()


class Planned(NamedTuple):
    """One stage of a study: the runs that share it, whether it is done, its predicted cost."""

    id: str
    name: str
    function: str
    runs: tuple[str, ...]
    done: bool
    cost: Guess = Guess()


class Plan(NamedTuple):
    """A study: its runs in order (id -> stage ids), each stage once, the ids of finished runs."""

    runs: dict[str, tuple[str, ...]]
    stages: tuple[Planned, ...]
    finished: tuple[str, ...]

    def total(self, what: str) -> Interval:
        """Return the sum of "seconds", "joules" or "flops" over the stages ahead."""
        ahead = (getattr(stage.cost, what) for stage in self.stages if not stage.done)
        return functools.reduce(Interval.plus, ahead, NOTHING)

    @property
    def words(self) -> tuple[str, ...]:
        """Words that must stand beside the total joules of the stages ahead."""
        ahead = [stage for stage in self.stages if not stage.done]
        return tuple(sorted({word for stage in ahead for word in stage.cost.words}))


def stages_of(spec: RunSpec, root: str, backend: Any) -> list[Asked]:
    """Return the stages of a run, by its record or by its method, which needs torch."""
    if not is_finished(root, spec.id):
        return planned(spec, root, backend)
    stages = [read_stage(root, stage_id) for stage_id in read_run(root, spec.id).stages]
    return [Asked(stage.name, stage.id, stage.function, stage.upstream, {}) for stage in stages]


def make_plan(
    specs: list[RunSpec], root: str, finished: Iterable[str], backend: Any, past: list[FinishedRun]
) -> Plan:
    """Plan a study from the finished runs in `past`. Trains nothing and reads no data set."""
    runs: dict[str, tuple[str, ...]] = {}
    users: dict[str, list[tuple[Asked, RunSpec]]] = {}
    for spec in specs:
        stages = stages_of(spec, root, backend)
        runs[spec.id] = tuple(stage.id for stage in stages)
        for stage in stages:
            users.setdefault(stage.id, []).append((stage, spec))
    history = History(past, backend)
    ahead = []
    for stage_id, asked in users.items():
        stage, first = asked[0]
        done = is_done(stage_dir(root, stage_id), STAGE)
        guess = Guess() if done else history.predict(stage, first)
        runs_of = tuple(spec.id for _, spec in asked)
        ahead.append(Planned(stage_id, stage.name, stage.function, runs_of, done, guess))
    return Plan(runs, tuple(ahead), tuple(finished))


class History:
    """Predict stages from finished ones."""

    def __init__(self, past: list[FinishedRun], backend: Any) -> None:
        self._backend = backend
        self._alike: dict[Key, list[FinishedStage]] = {}
        self._structures: dict[Key, list[FinishedStage]] = {}
        self._dense: dict[Key, tuple[str, int, int]] = {}
        self._joules: dict[str, float | None] = {}
        for run in past:
            for stage in run.stages:
                self._put(run.spec, stage)

    def _put(self, spec: dict[str, Any], stage: FinishedStage) -> None:
        work = stage.work
        # a stage that trains nothing costs alike at any ratio
        ratios = [spec["prune_ratio"]] if work else [spec["prune_ratio"], None]
        precision = work.get("precision", FULL)
        for ratio in ratios:
            key = (stage.record.function, precision, *_key(spec), ratio)
            known = self._alike.setdefault(key, [])
            if stage.id not in [other.id for other in known]:
                known.append(stage)
        if work.get("epochs"):
            key = (work["structure"], work["batch"], precision)
            self._structures.setdefault(key, []).append(stage)

    def predict(self, asked: Asked, spec: RunSpec) -> Guess:
        """Predict the cost of a stage of a run."""
        precision = asked.options.get("precision", FULL)
        setting = (asked.function, precision, *_key(spec.to_dict()))
        alike = self._alike.get((*setting, spec.prune_ratio)) or self._alike.get((*setting, None))
        if alike:
            return Guess(
                _span([stage.record.seconds for stage in alike]),
                _span([self._energy(stage) for stage in alike]),
                _span([float(work_flops(stage.work)) for stage in alike]),
                _words(precision, alike),
            )
        structure, forward_flops, images = self._dense_network(spec)
        flops = float(training_flops(forward_flops, images * spec.epochs))
        seen = self._structures.get((structure, spec.batch, precision), [])
        epochs = [stage.work["epochs"] for stage in seen]
        seconds = _span([stage.record.seconds for stage in seen], epochs).times(spec.epochs)
        joules = _span([self._energy(stage) for stage in seen], epochs).times(spec.epochs)
        most = Guess(seconds, joules, Interval(flops, flops), _words(precision, seen))
        if asked.function == DENSE and not asked.upstream:
            return most
        seconds, joules, flops_ahead = (Interval(0.0, bounds.high) for bounds in most[:3])
        return Guess(seconds, joules, flops_ahead, most.words)

    def _energy(self, stage: FinishedStage) -> float | None:
        if stage.id not in self._joules:
            self._joules[stage.id] = stage_energy(stage).joules if stage.measured else None
        return self._joules[stage.id]

    def _dense_network(self, spec: RunSpec) -> tuple[str, int, int]:
        """Return the dense network's structure, its FLOPs an image, and the training images."""
        key = (spec.model, spec.dataset, spec.width)
        if key not in self._dense:
            task = self._backend.task_from(dict(spec.to_dict(), device="cpu"))
            network, source = task.build(), task.source()
            counting = import_module("joulebird.baselines.training.flops", "counting")
            forward_flops = counting.count(network, tuple(source.shape)).forward_flops
            structure = digest(plain(network.widths), 12)
            self._dense[key] = (structure, forward_flops, source.train_images)
        return self._dense[key]


def _key(spec: dict[str, Any]) -> Key:
    return tuple(spec[name] for name in ("method", "model", "dataset", "width", "batch", "epochs"))


def _words(precision: str, learnt_from: list[FinishedStage]) -> tuple[str, ...]:
    """Return the words beside joules of this precision that are predicted from these stages."""
    own = {"estimated"} if precision != FULL else set()
    return tuple(sorted(own.union(*(stage.words for stage in learnt_from))))


def _span(values: list[float | None], weights: list[int] | None = None) -> Interval:
    """Return the least and the most of some values, each over its weight; unknown when one is.

    >>> _span([4.0, 2.0]), _span([4.0, 2.0], [2, 2]), _span([])
    (Interval(low=2.0, high=4.0), Interval(low=1.0, high=2.0), Interval(low=None, high=None))
    """
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return UNKNOWN
    pairs = zip(known, weights or [1] * len(known), strict=True)
    each = [value / weight for value, weight in pairs]
    return Interval(min(each), max(each))
