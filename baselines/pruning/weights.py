"""Masks over single weights: which are kept, by which rule, and how a mask is put on a network.

Shared by lottery tickets, SNIP, gradual pruning and the early winning tickets. Rules all of them obey:

* A mask is an explicit bool tensor for each parameter, never "the weight is not zero": a kept weight may become exactly 0.
* Only weights of convolutions are prunable unless told otherwise; biases, batch norms and the classifier stay dense.
* Selection happens on the CPU in float32. Weights are numbered in the order of `named_parameters`, each tensor row by row.
  Equal scores are told apart by that number alone, so the same scores give the same mask on every device.
* Masks save no arithmetic: the network stays dense, and so do its FLOPs and its energy.
"""

import math
from collections import OrderedDict
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence

import torch
from torch import nn

from joulebird.baselines.pruning.channels import check_ratio
from joulebird.harness.core.errors import SpecError, TrainingError

Tensors = Mapping[str, torch.Tensor]
RULES = ("rethinking", "exact", "open_lth")


def prunable(network: nn.Module, linear: bool = False, ends: bool = True) -> List[str]:
    """Names of the weights that may be pruned: every convolution, the stem and 1x1 shortcuts included.

    `linear` adds fully connected layers; `ends=False` then leaves out the first and the last layer that has weights
    (the convention of "The sooner the better", appendix A.1).

    >>> prunable(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)))
    ['0.weight', '2.weight']
    """
    layers = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    if not ends:
        layers = layers[1:-1]
    kinds = (nn.Conv2d, nn.Linear) if linear else (nn.Conv2d,)
    return [
        f"{name}.weight" if name else "weight"
        for name, module in layers
        if isinstance(module, kinds)
    ]


def magnitudes(tensors: Tensors, names: Iterable[str]) -> Dict[str, torch.Tensor]:
    """Absolute values of the named tensors as float32 on the CPU, in the order of `names`; `tensors` is a state dict."""
    return OrderedDict((name, tensors[name].detach().abs().float().cpu()) for name in names)


def all_kept(scores: Tensors) -> Dict[str, torch.Tensor]:
    """The mask that prunes nothing."""
    return OrderedDict(
        (name, torch.ones_like(score, dtype=torch.bool)) for name, score in scores.items()
    )


def select(
    scores: Tensors, ratio: float, rule: str = "rethinking", kept: Optional[Tensors] = None
) -> Dict[str, torch.Tensor]:
    """Prune the fraction `ratio` of the kept weights with the smallest scores, in one ranking over all tensors.

    What is not in `kept` (default: everything is) stays pruned. A ratio of 0 prunes nothing; one outside [0, 1) raises
    SpecError, as an unknown rule does; a score that is not a number raises TrainingError. With n weights, k of them kept, the rules are

    * `rethinking`: threshold = value number n - k + int(ratio * k) of the sorted scores, keep what is greater: one more
      weight than asked for goes, and all ties with the threshold (Liu et al., rethinking-network-pruning);
    * `open_lth`: threshold = kept value number ceil(ratio * k), keep what is greater;
    * `exact`: prune exactly int(ratio * k) weights; of equal ones the first goes first.

    >>> scores = OrderedDict(a=torch.tensor([.1, .4, .3]), b=torch.tensor([.2, .5, .05, .6]))
    >>> [mask.int().tolist() for mask in select(scores, 0.5).values()]
    [[0, 1, 0], [0, 1, 0, 1]]
    """
    check_ratio(ratio)
    if rule not in RULES:
        raise SpecError(f"unknown selection rule {rule!r}", f"use one of {', '.join(RULES)}")
    kept = all_kept(scores) if kept is None else kept
    if ratio == 0:
        return OrderedDict((name, kept[name].cpu().clone()) for name in scores)
    flat, alive = _flat(scores), _flat(kept)
    if rule == "exact":
        return split(_drop(flat, alive, int(ratio * int(alive.sum()))), scores)
    return split((flat > _threshold(flat, alive, ratio, rule)) & alive, scores)


def threshold(scores: Tensors, ratio: float) -> float:
    """The score that `select` asks a weight to exceed under rule `rethinking`, when nothing is pruned yet."""
    check_ratio(ratio)
    flat = _flat(scores)
    return float(torch.kthvalue(flat, int(ratio * len(flat)) + 1)[0])


def drop_smallest(
    scores: Tensors, count: int, kept: Optional[Tensors] = None
) -> Dict[str, torch.Tensor]:
    """Prune exactly the `count` kept weights with the smallest scores; of equal ones those with the lowest number.

    >>> drop_smallest({"w": torch.tensor([2., 1., 1., 3.])}, 1)["w"].int().tolist()
    [1, 0, 1, 1]
    """
    return split(
        _drop(_flat(scores), _flat(all_kept(scores) if kept is None else kept), count), scores
    )


def keep_largest(scores: Tensors, count: int) -> Dict[str, torch.Tensor]:
    """Keep exactly the `count` weights with the largest scores; of equal ones those with the lowest number.

    >>> keep_largest({"w": torch.tensor([2., 1., 1., 3.])}, 3)["w"].int().tolist()
    [1, 1, 0, 1]
    """
    flat = _flat(scores)
    return split(_extreme(-flat, count), scores)


def split(flat: torch.Tensor, like: Tensors) -> Dict[str, torch.Tensor]:
    """Cut one long vector into tensors named and shaped as those of `like`."""
    pieces = flat.split([tensor.numel() for tensor in like.values()])
    return OrderedDict(
        (name, piece.view(tensor.shape)) for (name, tensor), piece in zip(like.items(), pieces)
    )


def apply(network: nn.Module, masks: Tensors) -> None:
    """Set the pruned weights of `network` to zero, in place, on whatever device it is."""
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].mul_(mask.to(parameters[name].device))


def masked(state: Tensors, masks: Tensors) -> Dict[str, torch.Tensor]:
    """A copy of a state dict with the pruned weights at zero: rewinding is `masked(state at the rewind point, masks)`."""
    copied = OrderedDict((name, value.clone()) for name, value in state.items())
    for name, mask in masks.items():
        copied[name].mul_(mask.to(copied[name].device))
    return copied


def sparsity(masks: Tensors) -> float:
    """Fraction of the prunable weights that is pruned."""
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / sum(
        mask.numel() for mask in masks.values()
    )


def distance(first: Tensors, second: Tensors) -> float:
    """Hamming distance of two masks as a fraction of the prunable weights: 0 for equal masks, at most twice the kept fraction.

    >>> distance({"w": torch.tensor([True, False])}, {"w": torch.tensor([True, True])})
    0.5
    """
    differing = sum(int((first[name] != second[name]).sum()) for name in first)
    return differing / sum(mask.numel() for mask in first.values())


def emptied(masks: Tensors) -> List[str]:
    """Names of the tensors that lost every weight: such a layer passes nothing on, and most networks then answer a constant."""
    return [name for name, mask in masks.items() if not bool(mask.any())]


def sparse_macs(network: nn.Module, masks: Tensors, shape: Sequence[int]) -> int:
    """Multiply-accumulates of one image of `shape` if pruned weights cost nothing: what no board saves, shown beside what it does."""
    kept = {name: mask.sum().item() for name, mask in masks.items()}
    total, handles = [0], []

    def hook(name: str) -> Callable[..., None]:
        def add(module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            places = output.numel() // len(module.weight)
            total[0] += int(kept.get(f"{name}.weight", module.weight.numel())) * places

        return add

    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            handles.append(module.register_forward_hook(hook(name)))
    training, like = network.training, next(network.parameters())
    try:
        with torch.no_grad():
            network.eval()(torch.zeros((1,) + tuple(shape), device=like.device))
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    return total[0]


def _flat(tensors: Tensors) -> torch.Tensor:
    """All tensors as one CPU vector, in order; a value that is not a number is refused, since it has no rank."""
    flat = torch.cat([tensor.detach().reshape(-1).cpu() for tensor in tensors.values()])
    if flat.is_floating_point() and bool(torch.isnan(flat).any()):
        raise TrainingError(
            "a weight or its score is not a number: weights cannot be ranked",
            "training diverged: lower the learning rate",
        )
    return flat


def _threshold(flat: torch.Tensor, alive: torch.Tensor, ratio: float, rule: str) -> torch.Tensor:
    """The score that a weight must exceed to be kept, by the authors' rule."""
    total, remaining = flat.numel(), int(alive.sum())
    count = int(ratio * remaining) if rule == "rethinking" else math.ceil(ratio * remaining)
    if count >= remaining:
        raise SpecError(
            f"rule {rule!r} would prune all {remaining} weights at ratio {ratio}",
            "use rule 'exact' or a smaller ratio",
        )
    if rule == "open_lth":
        return torch.kthvalue(flat[alive], count + 1)[0]
    zeroed = torch.where(alive, flat, torch.zeros_like(flat))
    return torch.kthvalue(zeroed, total - remaining + count + 1)[0]


def _drop(flat: torch.Tensor, alive: torch.Tensor, count: int) -> torch.Tensor:
    """`alive` without its `count` smallest scores."""
    result = alive.clone()
    result[alive] = ~_extreme(flat[alive], count)
    return result


def _extreme(flat: torch.Tensor, count: int) -> torch.Tensor:
    """True at exactly the `count` smallest values; ties by lowest index. Linear in the length: no sort of 15 million values."""
    chosen = torch.zeros_like(flat, dtype=torch.bool)
    if count <= 0:
        return chosen
    limit = torch.kthvalue(flat, count)[0]
    chosen = flat < limit
    ties = torch.nonzero(flat == limit).view(-1)[: count - int(chosen.sum())]
    chosen[ties] = True
    return chosen
