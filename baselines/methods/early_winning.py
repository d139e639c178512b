"""Early winning tickets ("The sooner the better", 2020): the structure from one epoch, the weights from another.

One baseline training runs in parts that end at the epochs of interest, each continuing the one before exactly, so that all
cells (s, v) of the paper's Figure 1 share them and a cell is charged only for what it needs.
"""

import copy
from typing import Any, Dict, List, Optional, Sequence

from joulebird.baselines.analysis.memorisation import memorise
from joulebird.baselines.analysis.ppr import PseudoPrune, saturation
from joulebird.baselines.analysis.weight_spread import Spread
from joulebird.baselines.methods.lottery_ticket import ticket, train_ticket
from joulebird.baselines.pruning import weights
from joulebird.baselines.pruning.gradual import Gradual, window
from joulebird.baselines.training.hooks import Watch, Watches
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Task
from joulebird.harness.core.errors import SpecError, require

Result = Dict[str, Any]
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
    """Draw a ticket at epoch s of a baseline training, give it the weights of epoch v, and train it for the whole schedule.

    `structure_epoch` is s (default: the last), `weights_epoch` v (default: s; 0 is initialisation). `gradual_from` t prunes gradually from
    epoch t to s instead and keeps the weights of s; `gradual_at` and `gradual_percent` do so in the steps given (Table 1: 120 160 200 240
    at 40 60 70 80). Single weights are pruned in one ranking, the first and last layer left out unless `prune_ends`.

    `ppr_every` makes the pseudo-prune check every so many baseline epochs at the learning rate `ppr_rate`; `spread` notes each
    layer's weight spread and pseudo pruning rate; `memorise_images` trains the ticket on so many randomly labelled images.
    """
    epochs, images = task.schedule.epochs, task.source().train_images
    for name, epoch in (("structure_epoch", structure_epoch), ("weights_epoch", weights_epoch)):
        require(
            epoch is None or 0 <= epoch <= epochs,
            name,
            epoch,
            f"from 0 to the schedule's {epochs} epochs",
        )
    require(
        not gradual_at or (gradual_from is None and structure_epoch is None),
        "gradual_at",
        list(gradual_at),
        "left out with gradual_from or structure_epoch: it says itself when pruning begins and ends",
    )
    require(
        weights_epoch is None or not (gradual_at or gradual_from is not None),
        "weights_epoch",
        weights_epoch,
        "left out when pruning gradually, which keeps the weights it ends with",
    )
    require(ppr_every >= 0, "ppr_every", ppr_every, "at least 1 epoch, or 0 for no checks")
    require(0 < ppr_rate < float("inf"), "ppr_rate", ppr_rate, "above 0")
    for samples in memorise_images:
        require(
            1 <= samples <= images,
            "memorise_images",
            samples,
            f"from 1 to the {images} training images of {task.dataset}",
        )
    end = (
        structure_epoch
        if structure_epoch is not None
        else (gradual_at[-1] if gradual_at else task.schedule.epochs)
    )
    plan = _plan(task, end, gradual_from, gradual_at, gradual_percent)
    needed = [min(plan)] if plan else [end, end if weights_epoch is None else weights_epoch]
    checks = {
        "ends": prune_ends,
        "ratio": task.prune_ratio,
        "ppr_every": ppr_every,
        "ppr_rate": ppr_rate,
        "spread": spread,
    }
    parts = _baseline(task, run, needed, checks if ppr_every or spread else {})
    if plan:
        drawn = run.stage(
            "gradual", prune_gradually, task, parts[min(plan)], sorted(plan.items()), prune_ends
        )
    else:
        drawn = run.stage(
            "prune", draw, task, parts[needed[0]], parts[needed[1]], task.prune_ratio, prune_ends
        )
    for samples in memorise_images:
        run.stage(f"memorise-{samples}", memorise, task, drawn, samples)
    return run.stage("retrain", train_ticket, task, drawn)


def _plan(
    task: Task, end: int, start: Optional[int], at: Sequence[int], percent: Sequence[int]
) -> Dict[int, float]:
    """The gradual pruning that the options ask for, {epoch: sparsity}; empty for one shot."""
    if len(at) != len(percent) or list(at) != sorted(set(at)) or list(percent) != sorted(percent):
        raise SpecError(
            "gradual_at and gradual_percent do not fit",
            "give as many rising epochs as rising percentages",
        )
    if percent and not 0 <= percent[0] <= percent[-1] < 100:
        raise SpecError(
            "gradual_percent must stay below 100", "pruning everything leaves no network"
        )
    plan = {} if start is None else window(start, end, task.prune_ratio)
    if at:
        plan = {epoch: share / 100 for epoch, share in zip(at, percent)}
    if plan and (min(plan) < 0 or max(plan) > task.schedule.epochs):
        raise SpecError(
            f"the schedule has no epochs {min(plan)} to {max(plan)} to prune in",
            f"it has {task.schedule.epochs} epochs",
        )
    return plan


def _baseline(
    task: Task, run: Any, needed: Sequence[int], checks: Dict[str, Any]
) -> Dict[int, Any]:
    """The baseline's parts up to the last epoch needed, by the epoch they end at; None at 0: initialisation."""
    stops = sorted(set(needed) | {epoch for epoch in GRID if epoch < max(needed)})
    parts, previous, begin = {0: None}, None, 0  # type: Dict[int, Any], Any, int
    for stop in stops:
        if stop:
            previous = run.stage(
                f"baseline-{stop}", train_part, task, previous, begin, stop, **checks
            )
            parts[stop], begin = previous, stop
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
    """Train the baseline from epoch `begin` to `end`, continuing `previous` (None: the start) as if it had never stopped.

    The result is `train`'s and "optimizer"; with the checks on also "spread" and "ppr". The checks leave the weights bitwise alone.
    """
    carry = Carry(previous)
    names = weights.prunable(task.build(), ends=ends)
    noted = Spread(ratio, names) if spread else None
    check = PseudoPrune(ratio, ppr_rate, ppr_every, names) if ppr_every else None
    result = train(
        stage,
        task,
        previous,
        from_epoch=begin,
        epochs=end,
        watch=Watches([watch for watch in (carry, noted, check) if watch]),
    )
    result["optimizer"] = carry.optimizer_state()
    if noted:
        result["spread"] = (previous or {}).get("spread", []) + (
            noted.rows[1:] if previous else noted.rows
        )
        stage.metric(
            layers=names,
            weight_std=noted.rows[-1]["std"],
            pseudo_rate=noted.rows[-1]["pseudo_rate"],
        )
    if check:
        result["ppr"] = (previous or {}).get("ppr", []) + [list(point) for point in check.curve]
        stage.metric(
            ppr=result["ppr"], ppr_saturates=saturation([tuple(point) for point in result["ppr"]])
        )
    return result


class Carry(Watch):
    """Takes over momentum and best accuracy from the part before."""

    def __init__(self, previous: Optional[Result]) -> None:
        self.previous = previous

    def begin(self, loop: Any) -> None:
        self.loop = loop

    def started(self, loop: Any) -> None:
        if self.previous is not None:
            # newer torch keeps the very tensors it is given, and the previous part's result is not ours to change
            loop.optimizer.load_state_dict(copy.deepcopy(self.previous["optimizer"]))
            for name in ("accuracy_best", "best_epoch"):
                setattr(loop, name, self.previous[name])

    def optimizer_state(self) -> Dict[str, Any]:
        """The optimiser's state on the CPU."""
        saved = self.loop.optimizer.state_dict()
        state = {
            key: {
                name: value.cpu() if hasattr(value, "cpu") else value
                for name, value in entry.items()
            }
            for key, entry in saved["state"].items()
        }
        return {"state": state, "param_groups": saved["param_groups"]}


def draw(
    stage: Any,
    task: Task,
    structure: Optional[Result],
    values: Optional[Result],
    ratio: float,
    ends: bool,
) -> Result:
    """The ticket {"widths", "state", "masks"}: the mask of the network `structure`, the weights of `values` (None: initialisation)."""
    chosen, network = (
        task.build() if one is None else task.network(one) for one in (structure, values)
    )
    names = weights.prunable(chosen, ends=ends)
    return ticket(
        stage, task, network, weights.select(weights.magnitudes(chosen.state_dict(), names), ratio)
    )


def prune_gradually(
    stage: Any, task: Task, previous: Optional[Result], plan: List[List[Any]], ends: bool
) -> Result:
    """Go on with the baseline while pruning by `plan` [[epoch, sparsity]]; the result is train's, with the last "masks"."""
    gradual = Gradual(
        {int(epoch): share for epoch, share in plan}, weights.prunable(task.build(), ends=ends)
    )
    begin, end = int(plan[0][0]), int(plan[-1][0])
    result = train(
        stage,
        task,
        previous,
        from_epoch=begin,
        epochs=end,
        watch=Watches([Carry(previous), gradual]),
    )
    stage.metric(sparsity=weights.sparsity(gradual.masks))
    dead = weights.emptied(gradual.masks)
    if dead:
        stage.warn("dead_layer", layers=dead)
    return dict(result, masks=dict(gradual.masks))
