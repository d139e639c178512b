"""SNIP (Lee, Ajanthan, Torr 2019): prune single weights before the first step, by how much the loss would feel their loss.

The score of a weight is |w * dL/dw| on one batch, which equals |dL/dc| for a connection switch c = 1. Defaults are those
of the Table 2 row: convolution weights only, one un-augmented batch, batch statistics of that batch, the initial weights
kept, the study's schedule. The official TensorFlow code differs; its choices are the options `scope="official"`,
`bn_eval=True` and `reinit=True`.
"""

import copy
from collections import OrderedDict
from typing import Any, Dict, List, Optional

import torch
from torch import nn
from torch.nn import functional

from joulebird.baselines.methods.lottery_ticket import ticket, train_ticket
from joulebird.baselines.pruning import weights
from joulebird.baselines.pruning.channels import check_ratio
from joulebird.baselines.training.parts import check_parts
from joulebird.baselines.training.task import Task
from joulebird.harness.core.errors import TrainingError, require

SCOPES = ("conv", "conv+linear", "official")


def scored(network: nn.Module, scope: str = "conv") -> List[str]:
    """Names of the parameters that SNIP ranks: convolution weights, those of linear layers too, or (official) biases as well.

    The official order is kept: all weights first, then all biases. Batch norms are never ranked. Raises SpecError for an unknown scope.
    """
    require(scope in SCOPES, "scope", scope, "one of " + ", ".join(SCOPES))
    names = weights.prunable(network, linear=scope != "conv")
    if scope == "official":
        present = dict(network.named_parameters())
        biases = [name[: -len("weight")] + "bias" for name in names]
        names = names + [name for name in biases if name in present]
    return names


def sensitivity(
    network: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    names: List[str],
    bn_eval: bool = False,
    micro_batch: Optional[int] = None,
) -> Dict[str, torch.Tensor]:
    """|w * dL/dw| of the named parameters for the mean cross-entropy of one batch, as float32 on the CPU.

    Works on a copy: weights, running statistics and gradients of `network` stay as they are. `bn_eval` scores with the
    running statistics (the official choice) instead of the batch's own; `micro_batch` sums the gradients of parts of the batch, whose
    statistics are then each part's own. Raises TrainingError when nothing reaches the loss.
    """
    trial = copy.deepcopy(network)
    trial.train(not bn_eval)
    trial.zero_grad()
    for part, answers in zip(
        images.split(micro_batch or len(images)), labels.split(micro_batch or len(labels))
    ):
        (functional.cross_entropy(trial(part), answers, reduction="sum") / len(labels)).backward()
    parameters = dict(trial.named_parameters())
    scores = OrderedDict(
        (name, (parameters[name] * parameters[name].grad).detach().abs().float().cpu())
        for name in names
    )
    total = sum(float(values.double().sum()) for values in scores.values())
    if not 0 < total < float("inf"):
        raise TrainingError(
            f"SNIP scores sum to {total}: no ranking is possible",
            "use bn_eval=False, or a batch with more than one class",
        )
    return scores


def kept_count(total: int, ratio: float) -> int:
    """How many of `total` connections SNIP keeps: round(total * (1 - ratio)), a half to the even number as in Python.

    >>> kept_count(12, 7 / 12), kept_count(5, 0.5)
    (5, 2)
    """
    return int(round(total * (1 - ratio)))


def select(scores: Dict[str, torch.Tensor], ratio: float) -> Dict[str, torch.Tensor]:
    """The mask that keeps exactly the round(N (1 - ratio)) highest scores; of equal ones the first is kept."""
    check_ratio(ratio)
    return weights.keep_largest(
        scores, kept_count(sum(values.numel() for values in scores.values()), ratio)
    )


def snip(
    task: Task, run: Any, *, scope: str = "conv", bn_eval: bool = False, reinit: bool = False
) -> Any:
    """Score the connections of the untrained network on one batch, keep the best, train them.

    `scope`: `conv` (weights of convolutions, as for the lottery ticket), `conv+linear`, or `official` (biases as well). `bn_eval` scores
    with running statistics, `reinit` trains a fresh draw of weights instead of those scored; both as in the official code.
    """
    require(scope in SCOPES, "scope", scope, "one of " + ", ".join(SCOPES))
    drawn = run.stage("score", score, task, task.prune_ratio, scope, bn_eval, reinit)
    return run.stage("train", train_ticket, task, drawn)


def score(
    stage: Any, task: Task, ratio: float, scope: str, bn_eval: bool, reinit: bool
) -> Dict[str, Any]:
    """SNIP's ticket {"widths", "state", "masks"}: one un-augmented batch of random training images decides."""
    network, data = task.build(), task.data()
    if not bn_eval:
        check_parts(task, network, data.shape, min(task.schedule.batch, len(data.train_labels)))
    order = torch.randperm(
        len(data.train_labels), generator=torch.Generator().manual_seed(task.seed)
    )
    images, labels = next(data.plain_batches(task.schedule.batch, task.schedule.batch, order))
    scores = sensitivity(network, images, labels, scored(network, scope), bn_eval, task.micro_batch)
    masks = select(scores, ratio)
    useful = sum(int((values > 0).sum()) for values in scores.values())
    wanted = sum(int(mask.sum()) for mask in masks.values())
    if wanted > useful:
        stage.warn("zero_scores", kept=wanted, scored_above_zero=useful)
    return ticket(stage, task, task.build(seed=task.seed + 1000003) if reinit else network, masks)
