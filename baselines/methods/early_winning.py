"""Early winning tickets ("The sooner the better", 2020): one epoch's structure, another's weights.

One baseline training runs in parts that end at the epochs of interest, each continuing the one
before exactly, so that all cells (s, v) of the paper's Figure 1 share them and a cell is charged
only for its own.
"""

import copy
from typing import Any, Dict, List, Optional, Sequence

from joulebird.baselines.analysis.checks import PseudoPrune, Spread, saturation
from joulebird.baselines.analysis.memorisation import memorise
from joulebird.baselines.pruning import weights
from joulebird.baselines.pruning.gradual import Gradual, window
from joulebird.baselines.pruning.masked import masked_ticket, note_sparsity, train_masked
from joulebird.baselines.training.hooks import Hook, Hooks
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Result, Task
from joulebird.harness.core.errors import require

GRID = (5, 10, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200)


def early_winning(
    task: Task,
    run: Any,
    *,
    structure_epoch: Optional[int] = None,
    weights_epoch: Optional[int] = None,
    gradual_from: Optional[int] = None,
    gradual_at: Sequence[int] = (),
    gradual_percent: Sequence[int] = (),
    prune_ends: bool = False,
    ppr_every: int = 0,
    ppr_rate: float = 0.01,
    spread: bool = False,
    memorise_images: Sequence[int] = (),
) -> Any:
    """Draw a ticket at epoch s of a baseline training, give it the weights of epoch v, train it.

    `structure_epoch` is s (default: the last), `weights_epoch` v (default: s; 0 is initialisation).
    `gradual_from` t prunes gradually from epoch t to s instead and keeps the weights of s;
    `gradual_at` and `gradual_percent` do so in the steps given (Table 1: 120 160 200 240 at 40 60
    70 80). Single weights are pruned in one ranking, the first and last layer left out unless
    `prune_ends`.

    `ppr_every` is the number of baseline epochs between pseudo-prune checks (0: none), each at the
    learning rate `ppr_rate`; `spread` notes each layer's weight spread and pseudo pruning rate;
    `memorise_images` are numbers of randomly labelled images to train the ticket on.
    """
    _check(task, structure_epoch, weights_epoch, gradual_from, gradual_at)
    _check_analyses(task, ppr_every, ppr_rate, memorise_images)
    last = gradual_at[-1] if gradual_at else task.schedule.epochs
    end = last if structure_epoch is None else structure_epoch
    plan = _plan(task, end, gradual_from, gradual_at, gradual_percent)
    checks = {
        "ends": prune_ends,
        "ratio": task.prune_ratio,
        "ppr_every": ppr_every,
        "ppr_rate": ppr_rate,
        "spread": spread,
    }
    source = end if weights_epoch is None else weights_epoch
    needed = [min(plan)] if plan else [end, source]
    parts = _baseline(task, run, needed, checks if ppr_every or spread else {})
    if plan:
        drawn = run.stage(
            "gradual", prune_gradually, task, parts[min(plan)], sorted(plan.items()), prune_ends
        )
    else:
        drawn = run.stage(
            "prune", draw, task, parts[end], parts[source], task.prune_ratio, prune_ends
        )
    for samples in memorise_images:
        run.stage(f"memorise-{samples}", memorise, task, drawn, samples)
    return run.stage("retrain", train_masked, task, drawn)


def _check(
    task: Task,
    structure_epoch: Optional[int],
    weights_epoch: Optional[int],
    gradual_from: Optional[int],
    gradual_at: Sequence[int],
) -> None:
    """Refuse epochs outside the schedule, and options of a ticket that exclude each other."""
    epochs = task.schedule.epochs
    for name, epoch in (("structure_epoch", structure_epoch), ("weights_epoch", weights_epoch)):
        in_schedule = epoch is None or 0 <= epoch <= epochs
        require(in_schedule, name, epoch, f"from 0 to the schedule's {epochs} epochs")
    require(
        not gradual_at or (gradual_from is None and structure_epoch is None),
        "gradual_at",
        list(gradual_at),
        "left out with gradual_from or structure_epoch: it has its own first and last epoch",
    )
    require(
        weights_epoch is None or not (gradual_at or gradual_from is not None),
        "weights_epoch",
        weights_epoch,
        "left out when pruning gradually, which keeps the weights of its last epoch",
    )


def _check_analyses(
    task: Task, ppr_every: int, ppr_rate: float, memorise_images: Sequence[int]
) -> None:
    """Refuse values that no check of the baseline or of the ticket can have."""
    images = task.source().train_images
    require(ppr_every >= 0, "ppr_every", ppr_every, "at least 1 epoch, or 0 for no checks")
    require(0 < ppr_rate < float("inf"), "ppr_rate", ppr_rate, "above 0")
    for samples in memorise_images:
        require(
            1 <= samples <= images,
            "memorise_images",
            samples,
            f"from 1 to the {images} training images of {task.dataset}",
        )


def _plan(
    task: Task, end: int, start: Optional[int], at: Sequence[int], percent: Sequence[int]
) -> Dict[int, float]:
    """Return the gradual pruning of the options, {epoch: sparsity}; empty for one shot."""
    epochs = task.schedule.epochs
    rising = list(at) == sorted(set(at)) and all(0 <= epoch <= epochs for epoch in at)
    require(rising, "gradual_at", list(at), f"rising epochs from 0 to {epochs}")
    shares = list(percent) == sorted(percent) and all(0 <= share < 100 for share in percent)
    wanted = "as many rising percentages, from 0 to 99, as gradual_at has epochs"
    require(shares and len(at) == len(percent), "gradual_percent", list(percent), wanted)
    if start is not None:
        return window(start, end, task.prune_ratio)
    return {epoch: share / 100 for epoch, share in zip(at, percent)}


def _baseline(
    task: Task, run: Any, needed: Sequence[int], checks: Dict[str, Any]
) -> Dict[int, Any]:
    """Return the baseline's parts up to the last epoch needed, by their end; None at 0."""
    stops = set(needed) | {epoch for epoch in GRID if epoch < max(needed)}
    parts: Dict[int, Any] = {0: None}
    for stop in sorted(stops - {0}):
        begin = max(parts)
        inputs = task, parts[begin], begin, stop
        parts[stop] = run.stage(f"baseline-{stop}", train_part, *inputs, **checks)
    return parts


def train_part(
    stage: Any,
    task: Task,
    previous: Optional[Result],
    begin: int,
    end: int,
    *,
    ends: bool = False,
    ratio: float = 0.0,
    ppr_every: int = 0,
    ppr_rate: float = 0.01,
    spread: bool = False,
) -> Result:
    """Train the baseline from epoch `begin` to `end`, an exact continuation of `previous`.

    The result is that of `train` and "optimizer"; with the checks on also "spread" and "ppr". The
    checks do not change the weights.
    """
    names, before = weights.prunable(task.build(), ends=ends), previous or {}
    carry, noted = Carry(previous), Spread(ratio, names)
    check = PseudoPrune(ratio, ppr_rate, ppr_every, names)
    hook = Hooks([carry, *[noted] * spread, *[check] * bool(ppr_every)])
    result = train(stage, task, previous, from_epoch=begin, epochs=end, hook=hook)
    result["optimizer"] = carry.optimizer_state()
    if spread:
        result["spread"] = before.get("spread", []) + noted.rows[1 if previous else 0 :]
        row = noted.rows[-1]
        stage.metric(layers=names, weight_std=row["std"], pseudo_rate=row["pseudo_rate"])
    if ppr_every:
        curve = result["ppr"] = before.get("ppr", []) + [list(point) for point in check.curve]
        stage.metric(ppr=curve, ppr_saturates=saturation(curve))
    return result


class Carry(Hook):
    """Carries momentum and best accuracy over from the part before."""

    def __init__(self, previous: Optional[Result]) -> None:
        self.previous = previous

    def begin(self, loop: Any) -> None:
        """Note the loop."""
        self.loop = loop

    def started(self, loop: Any) -> None:
        """Continue the part before."""
        if self.previous is not None:
            # newer torch keeps the given tensors, which belong to the previous part's result
            loop.optimizer.load_state_dict(copy.deepcopy(self.previous["optimizer"]))
            for name in ("accuracy_best", "best_epoch"):
                setattr(loop, name, self.previous[name])

    def optimizer_state(self) -> Dict[str, Any]:
        """Return the optimiser's state on the CPU."""
        saved = self.loop.optimizer.state_dict()
        state = {
            key: {
                name: value.cpu() if hasattr(value, "cpu") else value
                for name, value in entry.items()
            }
            for key, entry in saved["state"].items()
        }
        return dict(saved, state=state)


def draw(
    stage: Any,
    task: Task,
    structure: Optional[Result],
    values: Optional[Result],
    ratio: float,
    ends: bool,
) -> Result:
    """Return the `MaskedTicket` of one network's masks and another's weights (None: initial)."""
    chosen = task.build() if structure is None else task.network(structure)
    network = task.build() if values is None else task.network(values)
    names = weights.prunable(chosen, ends=ends)
    masks = weights.select(weights.magnitudes(chosen.state_dict(), names), ratio)
    return masked_ticket(stage, task, network, masks)


def prune_gradually(
    stage: Any, task: Task, previous: Optional[Result], plan: List[List[Any]], ends: bool
) -> Result:
    """Go on with the baseline while pruning by `plan` [[epoch, sparsity]].

    The result is that of `train` and the last "masks".
    """
    names = weights.prunable(task.build(), ends=ends)
    gradual = Gradual({int(epoch): share for epoch, share in plan}, names)
    hook = Hooks([Carry(previous), gradual])
    begin, end = min(gradual.plan), max(gradual.plan)
    result = train(stage, task, previous, from_epoch=begin, epochs=end, hook=hook)
    note_sparsity(stage, gradual.masks)
    return dict(result, masks=dict(gradual.masks))
