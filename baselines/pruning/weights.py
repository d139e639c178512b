"""Masks over single weights: rankings, rules of selection, and masked states.

Shared by lottery tickets, SNIP, gradual pruning and the early winning tickets. Common rules:

* A mask is an explicit bool tensor for each parameter: a kept weight may become exactly 0.
* Only weights of convolutions are prunable by default; biases, batch norms and the classifier stay
  dense.
* Selection happens on the CPU in float32. Weights are numbered in the order of `named_parameters`,
  each tensor row by row. That number alone decides between equal scores, so the same scores give
  the same mask on every device.
* Masks save no arithmetic: the network stays dense, and so do its FLOPs and its energy.
"""

import math
from collections import OrderedDict
from typing import Dict, Iterable, List, Mapping, Optional, Sequence

import torch
from torch import nn

from joulebird.baselines.models.base import calls
from joulebird.baselines.pruning.channels import check_ratio
from joulebird.harness.core.errors import SpecError, TrainingError, require

Tensors = Mapping[str, torch.Tensor]
RULES = ("rethinking", "exact", "open_lth")


def prunable(network: nn.Module, linear: bool = False, ends: bool = True) -> List[str]:
    """Return the names of prunable weights: every convolution, stem and 1x1 shortcuts included.

    `linear` adds fully connected layers; `ends=False` then leaves out the first and the last layer
    that has weights (the convention of "The sooner the better", appendix A.1).

    >>> layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)
    >>> prunable(nn.Sequential(*layers))
    ['0.weight', '2.weight']
    """
    layers = [
        (f"{name}.weight" if name else "weight", module)
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    kinds = (nn.Conv2d, nn.Linear) if linear else (nn.Conv2d,)
    chosen = layers if ends else layers[1:-1]
    return [name for name, module in chosen if isinstance(module, kinds)]


def magnitudes(tensors: Tensors, names: Iterable[str]) -> Dict[str, torch.Tensor]:
    """Return |value| of the named tensors of a state dict as float32 on the CPU, in that order."""
    return OrderedDict((name, tensors[name].detach().abs().float().cpu()) for name in names)


def all_kept(scores: Tensors) -> Dict[str, torch.Tensor]:
    """Return the mask that prunes nothing."""
    return OrderedDict(
        (name, torch.ones_like(score, dtype=torch.bool)) for name, score in scores.items()
    )


def select(
    scores: Tensors, ratio: float, rule: str = "rethinking", kept: Optional[Tensors] = None
) -> Dict[str, torch.Tensor]:
    """Prune the share `ratio` of the kept weights with the smallest scores of one ranking.

    Weights outside `kept` (default: all are kept) stay pruned. A ratio of 0 prunes nothing. Raises
    SpecError for a ratio outside [0, 1) or an unknown rule, TrainingError for a score that is NaN.
    With n weights, k of them kept, the rules are

    * `rethinking`: threshold = value number n - k + int(ratio * k) of the sorted scores, keep
      greater ones: one more weight than asked for goes, and all ties with the threshold
      (Liu et al., rethinking-network-pruning);
    * `open_lth`: threshold = kept value number ceil(ratio * k), keep greater ones;
    * `exact`: prune exactly int(ratio * k) weights; of equal ones the first goes first.

    >>> scores = OrderedDict(a=torch.tensor([.1, .4, .3]), b=torch.tensor([.2, .5, .05, .6]))
    >>> [mask.int().tolist() for mask in select(scores, 0.5).values()]
    [[0, 1, 0], [0, 1, 0, 1]]
    """
    check_ratio(ratio)
    check_rule(rule)
    kept = all_kept(scores) if kept is None else kept
    if ratio == 0:
        return OrderedDict((name, kept[name].cpu().clone()) for name in scores)
    flat, alive = _flat(scores), _flat(kept)
    if rule == "exact":
        return split(_drop(flat, alive, int(ratio * int(alive.sum()))), scores)
    return split((flat > _threshold(flat, alive, ratio, rule)) & alive, scores)


def check_rule(rule: str) -> None:
    """Refuse an unknown rule."""
    require(rule in RULES, "rule", rule, "one of " + ", ".join(RULES))


def threshold(scores: Tensors, ratio: float) -> float:
    """Return the score that `select` asks a weight to exceed by `rethinking`, with all kept."""
    check_ratio(ratio)
    flat = _flat(scores)
    return float(torch.kthvalue(flat, int(ratio * len(flat)) + 1)[0])


def drop_smallest(
    scores: Tensors, count: int, kept: Optional[Tensors] = None
) -> Dict[str, torch.Tensor]:
    """Prune exactly the `count` kept weights with the smallest scores, the first of equal ones.

    >>> drop_smallest({"w": torch.tensor([2., 1., 1., 3.])}, 1)["w"].int().tolist()
    [1, 0, 1, 1]
    """
    alive = _flat(all_kept(scores) if kept is None else kept)
    return split(_drop(_flat(scores), alive, count), scores)


def keep_largest(scores: Tensors, count: int) -> Dict[str, torch.Tensor]:
    """Keep exactly the `count` weights with the largest scores, the first of equal ones.

    >>> keep_largest({"w": torch.tensor([2., 1., 1., 3.])}, 3)["w"].int().tolist()
    [1, 1, 0, 1]
    """
    return split(_extreme(-_flat(scores), count), scores)


def split(flat: torch.Tensor, like: Tensors) -> Dict[str, torch.Tensor]:
    """Cut one long vector into tensors named and shaped as those of `like`."""
    pieces = flat.split([tensor.numel() for tensor in like.values()])
    return OrderedDict(
        (name, piece.view(tensor.shape)) for (name, tensor), piece in zip(like.items(), pieces)
    )


def masked(state: Tensors, masks: Tensors) -> Dict[str, torch.Tensor]:
    """Return a copy of a state dict with the pruned weights at zero."""
    copied = OrderedDict((name, value.clone()) for name, value in state.items())
    for name, mask in masks.items():
        copied[name].mul_(mask.to(copied[name].device))
    return copied


def sparsity(masks: Tensors) -> float:
    """Return the share of the prunable weights that is pruned."""
    kept = sum(int(mask.sum()) for mask in masks.values())
    return 1 - kept / sum(mask.numel() for mask in masks.values())


def emptied(masks: Tensors) -> List[str]:
    """Return the names of tensors without any weight left; most networks are then constant."""
    return [name for name, mask in masks.items() if not bool(mask.any())]


def sparse_macs(network: nn.Module, masks: Tensors, shape: Sequence[int]) -> int:
    """Return the multiply-accumulates of one image of `shape` if pruned weights cost nothing.

    No board saves them; they are shown beside the real ones.
    """
    kept = {
        id(parameter): int(masks[name].sum())
        for name, parameter in network.named_parameters()
        if name in masks
    }
    return sum(
        kept.get(id(layer.weight), layer.weight.numel()) * (after.numel() // len(layer.weight))
        for layer, _, after in calls(network, shape, nn.Conv2d, nn.Linear)
    )


def _flat(tensors: Tensors) -> torch.Tensor:
    """Return all tensors as one CPU vector, in order. Refuses NaN, which has no rank."""
    flat = torch.cat([tensor.detach().reshape(-1).cpu() for tensor in tensors.values()])
    if flat.is_floating_point() and bool(torch.isnan(flat).any()):
        raise TrainingError(
            "a weight or its score is not a number: weights cannot be ranked",
            "training diverged: lower the learning rate",
        )
    return flat


def _threshold(flat: torch.Tensor, alive: torch.Tensor, ratio: float, rule: str) -> torch.Tensor:
    """Return the score that a weight must exceed to be kept, by the authors' rule."""
    remaining = int(alive.sum())
    count = int(ratio * remaining) if rule == "rethinking" else math.ceil(ratio * remaining)
    if count >= remaining:
        raise SpecError(
            f"rule {rule!r} would prune all {remaining} weights at ratio {ratio}",
            "use rule 'exact' or a smaller ratio",
        )
    if rule == "open_lth":
        return torch.kthvalue(flat[alive], count + 1)[0]
    zeroed = torch.where(alive, flat, torch.zeros_like(flat))
    return torch.kthvalue(zeroed, flat.numel() - remaining + count + 1)[0]


def _drop(flat: torch.Tensor, alive: torch.Tensor, count: int) -> torch.Tensor:
    """Return `alive` without its `count` smallest scores."""
    result = alive.clone()
    result[alive] = ~_extreme(flat[alive], count)
    return result


def _extreme(flat: torch.Tensor, count: int) -> torch.Tensor:
    """Return True at exactly the `count` smallest values, the first of equal ones.

    It is linear in the length: no sort of 15 million values.
    """
    if count <= 0:
        return torch.zeros_like(flat, dtype=torch.bool)
    limit = torch.kthvalue(flat, count)[0]
    chosen = flat < limit
    chosen[torch.nonzero(flat == limit).view(-1)[: count - int(chosen.sum())]] = True
    return chosen
