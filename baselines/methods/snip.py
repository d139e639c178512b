"""SNIP (Lee, Ajanthan, Torr 2019): prune single weights before the first step.

The score of a weight is |w * dL/dw| on one batch: |dL/dc| of a connection switch c = 1. Defaults
are those of the Table 2 row: convolution weights only, one un-augmented batch with its own
statistics, the initial weights kept, the study's schedule. `scope="official"`, `bn_eval=True` and
`reinit=True` are the choices of the official TensorFlow code.
"""

import copy
from collections import OrderedDict
from typing import Any, Dict, List, Optional

import torch
from torch import Tensor, nn

from joulebird.baselines.pruning import weights
from joulebird.baselines.pruning.channels import check_ratio
from joulebird.baselines.pruning.masked import masked_ticket, train_masked
from joulebird.baselines.training.loop import check_parts
from joulebird.baselines.training.task import Result, Task
from joulebird.harness.core.errors import TrainingError, require

SCOPES = ("conv", "conv+linear", "official")


def snip(
    task: Task, run: Any, *, scope: str = "conv", bn_eval: bool = False, reinit: bool = False
) -> Any:
    """Score the connections of the untrained network on one batch, keep the best, train them.

    `scope`: `conv` (as for the lottery ticket), `conv+linear`, or `official` (biases as well).
    `bn_eval` scores with running statistics, `reinit` trains a fresh draw of weights.
    """
    check_scope(scope)
    drawn = run.stage("score", score, task, task.prune_ratio, scope, bn_eval, reinit)
    return run.stage("train", train_masked, task, drawn)


def check_scope(scope: str) -> None:
    """Refuse an unknown scope."""
    require(scope in SCOPES, "scope", scope, "one of " + ", ".join(SCOPES))


def scored(network: nn.Module, scope: str = "conv") -> List[str]:
    """Return the names of the parameters that SNIP ranks in a scope.

    The official order is kept: all weights first, then all biases. Batch norms are never ranked.
    """
    check_scope(scope)
    names = weights.prunable(network, linear=scope != "conv")
    biases = [name[: -len("weight")] + "bias" for name in names if scope == "official"]
    return names + [name for name in biases if name in dict(network.named_parameters())]


def sensitivity(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    names: List[str],
    bn_eval: bool = False,
    micro_batch: Optional[int] = None,
) -> Dict[str, Tensor]:
    """Return |w * dL/dw| of the named parameters for one batch, as float32 on the CPU.

    L is the mean cross-entropy; a copy is scored. `bn_eval` scores with the running statistics (the
    official choice) instead of the batch's own; `micro_batch` sums the gradients of parts of the
    batch, with statistics of each part. Raises TrainingError if nothing reaches the loss.
    """
    trial = copy.deepcopy(network).train(not bn_eval)
    trial.zero_grad()
    part = micro_batch or len(images)
    for some_images, some_labels in zip(images.split(part), labels.split(part)):
        loss = nn.functional.cross_entropy(trial(some_images), some_labels, reduction="sum")
        (loss / len(labels)).backward()
    parameters: Dict[str, Any] = dict(trial.named_parameters())
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
    """Return the number of `total` connections that SNIP keeps; a half rounds to even.

    >>> kept_count(12, 7 / 12), kept_count(5, 0.5)
    (5, 2)
    """
    return int(round(total * (1 - ratio)))


def select(scores: Dict[str, Tensor], ratio: float) -> Dict[str, Tensor]:
    """Return the mask of exactly the round(N (1 - ratio)) highest scores, the first of equals."""
    check_ratio(ratio)
    total = sum(values.numel() for values in scores.values())
    return weights.keep_largest(scores, kept_count(total, ratio))


def score(stage: Any, task: Task, ratio: float, scope: str, bn_eval: bool, reinit: bool) -> Result:
    """Return SNIP's `MaskedTicket`, scored on one un-augmented batch of random training images."""
    network, data, batch = task.build(), task.data(), task.schedule.batch
    count = len(data.train_labels)
    if not bn_eval:
        check_parts(task, network, data.shape, min(batch, count))
    order = torch.randperm(count, generator=torch.Generator().manual_seed(task.seed))
    images, labels = next(data.plain_batches(batch, batch, order))
    scores = sensitivity(network, images, labels, scored(network, scope), bn_eval, task.micro_batch)
    masks = select(scores, ratio)
    useful = sum(int((values > 0).sum()) for values in scores.values())
    wanted = sum(int(mask.sum()) for mask in masks.values())
    if wanted > useful:
        stage.warn("zero_scores", kept=wanted, scored_above_zero=useful)
    origin = task.build(seed=task.seed + 1000003) if reinit else network
    return masked_ticket(stage, task, origin, masks)
