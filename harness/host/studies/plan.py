"""What a study costs before it is paid for: runs, shared stages, FLOPs, hours and joules as intervals, from what was recorded before.

A stage is predicted, in this order: from finished stages of the same method's function, setting, batch, precision and ratio (of any ratio,
if they train nothing); for the training of the dense network, from recorded epochs of the same structure; for anything else that may train,
as at most a full training of the dense network. What nothing is known of is unknown, never zero.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from joulebird.harness.core.records import STAGE, is_done, stage_dir
from joulebird.harness.core.registry import import_module
from joulebird.harness.host.studies.asked import planned
from joulebird.harness.runs.run import Asked
from joulebird.harness.runs.spec import RunSpec, digest
from joulebird.reports.runs.accounting import stage_energy
from joulebird.reports.runs.records import Run as FinishedRun
from joulebird.reports.runs.records import Stage as FinishedStage

DENSE = "joulebird.baselines.training.loop:train"
FULL = "fp32"


class Interval(NamedTuple):
    """From the least to the most; None for a bound that nothing is known of."""

    low: float | None
    high: float | None

    def plus(self, other: "Interval") -> "Interval":
        """The sum; an unknown bound stays unknown.

        >>> Interval(1, 2).plus(Interval(3, None))
        Interval(low=4, high=None)
        """
        return Interval(
            *(None if a is None or b is None else a + b for a, b in zip(self, other, strict=True))
        )

    def times(self, factor: float) -> "Interval":
        """The interval for so many."""
        return Interval(*(None if one is None else one * factor for one in self))


UNKNOWN = Interval(None, None)
NOTHING = Interval(0.0, 0.0)


class Planned(NamedTuple):
    """One stage of a study: its id, name and function, the runs that share it, whether it is done, and what it is predicted to take.

    `words` must stand beside the joules.
    """

    id: str
    name: str
    function: str
    runs: tuple[str, ...]
    done: bool
    seconds: Interval = NOTHING
    joules: Interval = NOTHING
    flops: Interval = NOTHING
    words: tuple[str, ...] = ()


class Plan(NamedTuple):
    """A study's runs in order (id -> its stages' ids), its stages, each once, and the ids of the runs that are finished."""

    runs: dict[str, tuple[str, ...]]
    stages: tuple[Planned, ...]
    finished: tuple[str, ...]

    def total(self, what: str) -> Interval:
        """The sum of "seconds", "joules" or "flops" over the stages that are still to be done."""
        total = NOTHING
        for stage in self.stages:
            if not stage.done:
                total = total.plus(getattr(stage, what))
        return total

    @property
    def words(self) -> tuple[str, ...]:
        """The words that must stand beside the joules of the stages that are still to be done, all together."""
        return tuple(
            sorted({word for stage in self.stages if not stage.done for word in stage.words})
        )


def make_plan(
    specs: list[RunSpec], root: str, finished: Iterable[str], backend: Any, past: list[FinishedRun]
) -> Plan:
    """Plan a study; `past` are the finished runs to learn from. Trains nothing and reads no data set."""
    runs, names, users, spec_of = {}, {}, {}, {}
    for spec in specs:
        asked = planned(spec, root, backend)
        runs[spec.id] = tuple(one.id for one in asked)
        for one in asked:
            names.setdefault(one.id, one)
            spec_of.setdefault(one.id, spec)
            users.setdefault(one.id, []).append(spec.id)
    history = History(past, backend)
    stages = []
    for stage_id, one in names.items():
        done = is_done(stage_dir(root, stage_id), STAGE)
        guess = (NOTHING,) * 3 if done else history.predict(one, spec_of[stage_id])
        stages.append(
            Planned(stage_id, one.name, one.function, tuple(users[stage_id]), done, *guess)
        )
    return Plan(runs, tuple(stages), tuple(finished))


class History:
    """What finished stages teach about stages that are to come."""

    def __init__(self, past: list[FinishedRun], backend: Any) -> None:
        self._backend = backend
        self._alike: dict[tuple, list[FinishedStage]] = {}
        self._structures: dict[tuple, list[FinishedStage]] = {}
        self._dense: dict[tuple, tuple[str, int, int]] = {}
        self._joules: dict[str, float | None] = {}
        for run in past:
            for stage in run.stages:
                self._put(run.spec, stage)

    def _put(self, spec: dict, stage: FinishedStage) -> None:
        ratios = (
            [spec["prune_ratio"]] if stage.work else [spec["prune_ratio"], None]
        )  # what trains nothing costs alike at any ratio
        precision = stage.work.get("precision", FULL)
        for key in [(stage.record.function, precision, *_key(spec), ratio) for ratio in ratios]:
            if stage.id not in [one.id for one in self._alike.get(key, [])]:
                self._alike.setdefault(key, []).append(stage)
        if stage.work.get("epochs"):
            self._structures.setdefault(
                (stage.work["structure"], stage.work["batch"], precision), []
            ).append(stage)

    def predict(
        self, asked: Asked, spec: RunSpec
    ) -> tuple[Interval, Interval, Interval, tuple[str, ...]]:
        """Seconds, joules and FLOPs of a stage, and the words that must stand beside the joules."""
        precision = asked.options.get("precision", FULL)
        setting = (asked.function, precision, *_key(spec.to_dict()))
        alike = self._alike.get((*setting, spec.prune_ratio)) or self._alike.get((*setting, None))
        if alike:
            guess = [
                _span([value(stage) for stage in alike])
                for value in (self._seconds, self._energy, _flops)
            ]
            return (*guess, _words(precision, alike))
        structure, macs, images = self._dense_network(spec)
        flops = 6.0 * macs * images * spec.epochs
        seen = self._structures.get((structure, spec.batch, precision), [])
        per_epoch = [
            _span([value(stage) for stage in seen], [stage.work["epochs"] for stage in seen]).times(
                spec.epochs
            )
            for value in (self._seconds, self._energy)
        ]
        if asked.function == DENSE and not asked.upstream:
            return per_epoch[0], per_epoch[1], Interval(flops, flops), _words(precision, seen)
        return (
            *(Interval(0.0, one.high) for one in per_epoch),
            Interval(0.0, flops),
            _words(precision, seen),
        )

    def _seconds(self, stage: FinishedStage) -> float | None:
        return stage.record.seconds

    def _energy(self, stage: FinishedStage) -> float | None:
        if stage.id not in self._joules:
            self._joules[stage.id] = stage_energy(stage).joules if stage.trace else None
        return self._joules[stage.id]

    def _dense_network(self, spec: RunSpec) -> tuple[str, int, int]:
        """The dense network's structure, MACs for one image, and the data set's training images."""
        key = (spec.model, spec.dataset, spec.width)
        if key not in self._dense:
            task = self._backend.task_from(dict(spec.to_dict(), device="cpu"))
            network = task.build()
            count = import_module("joulebird.baselines.training.flops", "counting").count(
                network, tuple(task.source().shape)
            )
            self._dense[key] = (
                digest(_plain(network.widths), 12),
                count.macs,
                task.source().train_images,
            )
        return self._dense[key]


def _plain(widths: Any) -> Any:
    return [_plain(one) for one in widths] if isinstance(widths, (list, tuple)) else widths


def _key(spec: dict) -> tuple:
    return tuple(spec[name] for name in ("method", "model", "dataset", "width", "batch", "epochs"))


def _flops(stage: FinishedStage) -> float:
    work = stage.work
    return 6.0 * work["macs"] * work["images_per_epoch"] * work["epochs"] if work else 0.0


def _words(precision: str, learnt_from: list[FinishedStage]) -> tuple[str, ...]:
    """The words beside joules that these stages foretell, for one of this precision."""
    own = {"estimated"} if precision != FULL else set()
    return tuple(sorted(own.union(*(stage.words for stage in learnt_from))))


def _span(values: list[float | None], weights: list[float] | None = None) -> Interval:
    """From the least to the most of some values (each over its weight); unknown when one is, or when there are none.

    >>> _span([4.0, 2.0]), _span([4.0, 2.0], [2, 2]), _span([])
    (Interval(low=2.0, high=4.0), Interval(low=1.0, high=2.0), Interval(low=None, high=None))
    """
    if not values or None in values:
        return UNKNOWN
    each = [
        value / weight for value, weight in zip(values, weights or [1] * len(values), strict=True)
    ]
    return Interval(min(each), max(each))
