"""Lottery tickets (Frankle & Carbin 2019): train, prune single weights by magnitude, rewind what is left, train it again."""

import math
from typing import Any, Dict, Optional

import torch
from torch import nn

from joulebird.baselines.pruning import weights
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Task
from joulebird.harness.core.errors import SpecError, require

Result = Dict[str, Any]


def lottery_ticket(
    task: Task,
    run: Any,
    *,
    rounds: int = 1,
    rewind_epoch: int = 0,
    rule: Optional[str] = None,
    retrain: str = "rewind",
) -> Any:
    """Find the winning ticket and train it, dense in cost because single weights are masked.

    One round is Table 2's row: dense training to the end, one global magnitude threshold, all tensors back at the start, the full schedule
    again. With more `rounds` each prunes an equal share of what is left; `rewind_epoch` k > 0 rewinds to the state after k epochs and
    trains from there on the schedule's remainder. `rule` is one of joulebird.baselines.pruning.weights.RULES: by default `rethinking` for one round, `exact`
    for more. `retrain="reinit"` draws new weights under the mask instead (the Scratch-E control).
    """
    if rounds < 1 or not 0 <= rewind_epoch < task.schedule.epochs:
        raise SpecError(
            f"no training has rounds={rounds}, rewind_epoch={rewind_epoch}",
            "use one round or more; rewind to an early epoch",
        )
    require(
        rule is None or rule in weights.RULES, "rule", rule, "one of " + ", ".join(weights.RULES)
    )
    require(retrain in ("rewind", "reinit"), "retrain", retrain, '"rewind" or "reinit"')
    rule = rule or ("rethinking" if rounds == 1 else "exact")
    share = share_of_round(task.prune_ratio, rounds)
    start = run.stage("start", train, task, epochs=rewind_epoch) if rewind_epoch else None
    trained = (
        run.stage("dense", train, task)
        if start is None
        else run.stage("dense", train, task, start, from_epoch=rewind_epoch)
    )
    ticket = None
    for number in range(1, rounds + 1):
        suffix = "" if rounds == 1 else f"-{number}"
        ticket = run.stage(
            "prune" + suffix, draw_ticket, task, trained, start, ticket, share, rule, retrain
        )
        trained = run.stage("retrain" + suffix, train_ticket, task, ticket, from_epoch=rewind_epoch)
    return trained


def share_of_round(ratio: float, rounds: int) -> float:
    """Which share of the kept weights each round prunes, so that `rounds` of them reach `ratio`: 1 - (1 - ratio)^(1 / rounds).

    >>> share_of_round(0.3, 1), round(share_of_round(0.36, 2), 9)
    (0.3, 0.2)
    """
    return ratio if rounds == 1 else 1 - (1 - ratio) ** (1 / rounds)


def draw_ticket(
    stage: Any,
    task: Task,
    trained: Result,
    start: Optional[Result],
    previous: Optional[Result],
    ratio: float,
    rule: str,
    retrain: str,
) -> Result:
    """The ticket {"widths", "state", "masks"}: which weights of `trained` stay, and the values they start from again.

    `start` is the state to rewind to (None: initialisation), `previous` the ticket whose mask is pruned further (None: all weights).
    """
    network = task.network(trained)
    names = weights.prunable(network)
    masks = weights.select(
        weights.magnitudes(trained["state"], names),
        ratio,
        rule,
        previous["masks"] if previous else None,
    )
    origin = task.build(trained["widths"]) if start is None else task.network(start)
    if retrain == "reinit":
        origin = redrawn(task, trained["widths"], masks)
    return ticket(stage, task, origin, masks)


def ticket(stage: Any, task: Task, network: nn.Module, masks: Dict[str, torch.Tensor]) -> Result:
    """The result of a pruning stage: `network` with its pruned weights at zero, and the masks; notes the sparsity and dead layers."""
    shape = task.source().shape
    stage.metric(
        sparsity=weights.sparsity(masks),
        theoretical_sparse_macs=weights.sparse_macs(network, masks, shape),
    )
    dead = weights.emptied(masks)
    if dead:
        stage.warn("dead_layer", layers=dead)
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    return {"widths": network.widths, "state": weights.masked(state, masks), "masks": dict(masks)}


def redrawn(task: Task, widths: Any, masks: Dict[str, torch.Tensor]) -> nn.Module:
    """A network of fresh weights under given masks: convolutions N(0, sqrt(2 / n)) with n the kept weights per input channel."""
    network = task.build(widths, seed=task.seed + 1000003)
    parameters = dict(network.named_parameters())
    generator = torch.Generator().manual_seed(task.seed + 1000003)
    with torch.no_grad():
        for name, mask in masks.items():
            spread = math.sqrt(2 * mask.size(1) / max(int(mask.sum()), 1))
            parameters[name].copy_(torch.randn(mask.shape, generator=generator) * spread)
    return network


def train_ticket(stage: Any, task: Task, drawn: Result, *, from_epoch: int = 0) -> Result:
    """Train a ticket {"widths", "state", "masks"} with a fresh optimiser, its pruned weights held at zero."""
    return train(stage, task, drawn, from_epoch=from_epoch, masks=drawn["masks"])
