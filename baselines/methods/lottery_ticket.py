"""Lottery tickets (Frankle & Carbin 2019): train, prune single weights, rewind, train again."""

import math
from typing import Any, Dict, Optional

import torch

from joulebird.baselines.models.base import Prunable
from joulebird.baselines.pruning import weights
from joulebird.baselines.pruning.masked import masked_ticket, train_masked
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Result, Task
from joulebird.harness.core.errors import require


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

    One round is Table 2's row: dense training to the end, one global magnitude threshold, all
    tensors back at the start, the full schedule again. With more `rounds` each prunes an equal
    share of the remaining weights; `rewind_epoch` k > 0 rewinds to the state after k epochs and
    trains from there on the schedule's remainder. `rule` is one of
    joulebird.baselines.pruning.weights.RULES: by default `rethinking` for one round, `exact` for
    more. `retrain="reinit"` draws new weights under the mask instead (the Scratch-E control).
    """
    epochs = task.schedule.epochs
    require(rounds >= 1, "rounds", rounds, "at least 1")
    require(
        0 <= rewind_epoch < epochs,
        "rewind_epoch",
        rewind_epoch,
        f"at least 0 and below the {epochs} epochs",
    )
    require(retrain in ("rewind", "reinit"), "retrain", retrain, '"rewind" or "reinit"')
    if rule is None:
        rule = "rethinking" if rounds == 1 else "exact"
    weights.check_rule(rule)
    share = share_of_round(task.prune_ratio, rounds)
    start, ticket = None, None
    if rewind_epoch:
        start = run.stage("start", train, task, epochs=rewind_epoch)
        trained = run.stage("dense", train, task, start, from_epoch=rewind_epoch)
    else:
        trained = run.stage("dense", train, task)
    for number in range(1, rounds + 1):
        suffix = "" if rounds == 1 else f"-{number}"
        ticket = run.stage(
            "prune" + suffix, draw_ticket, task, trained, start, ticket, share, rule, retrain
        )
        trained = run.stage("retrain" + suffix, train_masked, task, ticket, from_epoch=rewind_epoch)
    return trained


def share_of_round(ratio: float, rounds: int) -> float:
    """Return the share of the kept weights that each of `rounds` prunes to reach `ratio`.

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
    """Return the `MaskedTicket` with the largest weights of `trained`, at their earlier values.

    `start` is the state to rewind to (None: initialisation), `previous` the ticket whose mask is
    pruned further (None: all weights).
    """
    names = weights.prunable(task.network(trained))
    magnitudes = weights.magnitudes(trained["state"], names)
    masks = weights.select(magnitudes, ratio, rule, previous["masks"] if previous else None)
    if retrain == "reinit":
        origin = redrawn(task, trained["widths"], masks)
    else:
        origin = task.build(trained["widths"]) if start is None else task.network(start)
    return masked_ticket(stage, task, origin, masks)


def redrawn(task: Task, widths: Any, masks: Dict[str, torch.Tensor]) -> Prunable:
    """Return a network of fresh weights under given masks.

    Convolutions are N(0, sqrt(2 / n)) with n the kept weights per input channel.
    """
    network = task.build(widths, seed=task.seed + 1000003)
    parameters = dict(network.named_parameters())
    generator = torch.Generator().manual_seed(task.seed + 1000003)
    with torch.no_grad():
        for name, mask in masks.items():
            deviation = math.sqrt(2 * mask.size(1) / max(int(mask.sum()), 1))
            parameters[name].copy_(torch.randn(mask.shape, generator=generator) * deviation)
    return network
