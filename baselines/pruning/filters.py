"""Rank whole filters: the convolutions of soft filter pruning, and the weakest filters of each."""

from typing import List

import torch
from torch import nn


def zeroed_count(filters: int, ratio: float) -> int:
    """Return the number of a layer's filters to set to zero, by the authors' arithmetic.

    It is int(filters * (1 - rate)) with rate = 1 - ratio.

    >>> zeroed_count(64, 0.3), zeroed_count(10, 0.1)
    (19, 0)
    """
    return int(filters * (1 - (1 - ratio)))


def weakest(norms: torch.Tensor, ratio: float) -> List[int]:
    """Return the indices of the share `ratio` of smallest norms, the first of equal ones.

    >>> weakest(torch.tensor([5., 1., 2., 1.]), 0.5)
    [1, 3]
    """
    ranked = sorted(range(len(norms)), key=norms.tolist().__getitem__)
    return ranked[: zeroed_count(len(norms), ratio)]


def filter_norms(layer: nn.Conv2d) -> torch.Tensor:
    """Return the L2 norm of each filter."""
    return layer.weight.detach().flatten(1).norm(2, 1)


def convolutions(network: nn.Module, skip_shortcuts: bool = True) -> List[nn.Conv2d]:
    """Return the pruned layers: every convolution, shortcuts only if asked for."""
    return [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
        and not (skip_shortcuts and ("shortcut" in name or "downsample" in name))
    ]


def zero_filters(layers: List[nn.Conv2d], ratio: float) -> None:
    """Set the weakest filters of each layer to zero, in place; their momentum may revive them."""
    norms = torch.cat([filter_norms(layer) for layer in layers]).cpu()  # one transfer for all
    on_cpu = norms.split([layer.out_channels for layer in layers])
    with torch.no_grad():
        for layer, norm in zip(layers, on_cpu):
            layer.weight[weakest(norm, ratio)] = 0
