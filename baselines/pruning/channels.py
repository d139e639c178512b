"""Which channels stay: one ranking over all normalisation scales, masks, their distance, and the cut."""

from typing import Callable, List, Optional, Sequence

import torch
from torch import Tensor

from joulebird.baselines.models.base import Prunable
from joulebird.harness.core.errors import SpecError


def ranked_masks(scales: Sequence[Tensor], ratio: float) -> List[Tensor]:
    """The mask of each layer: true where a channel's |scale| is above the threshold of one ranking over all layers.

    The threshold is the value at place int(T * ratio) of the T sorted magnitudes, and what is not strictly above it goes:
    int(T * ratio) + 1 channels without ties, more with (network slimming, and the Early-Bird authors). A ratio of 0 keeps everything.

    >>> [mask.int().tolist() for mask in ranked_masks([torch.tensor([0.9, -0.1, 0.4]), torch.tensor([0.05, 0.3])], 0.4)]
    [[1, 0, 1], [0, 0]]
    """
    check_ratio(ratio)
    sizes = [len(scale) for scale in scales]
    flat = torch.cat([scale.detach().abs().cpu() for scale in scales])
    if not bool(torch.isfinite(flat).all()):
        raise SpecError(
            "a normalisation scale is not a number",
            "the network has diverged; train it with a smaller learning rate",
        )
    if ratio == 0:
        return list(torch.ones(len(flat), dtype=torch.bool).split(sizes))
    threshold = torch.sort(flat)[0][int(len(flat) * ratio)]
    return list((flat > threshold).split(sizes))


def check_ratio(ratio: float) -> None:
    """Refuse a pruning ratio that is not in [0, 1)."""
    if not 0 <= ratio < 1:
        raise SpecError(
            f"a pruning ratio of {ratio} leaves no network",
            "give a ratio from 0 (the dense network) up to, not including, 1",
        )


def mask_distance(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """The share of channels in which two lists of masks differ: the Hamming distance, normalised to [0, 1].

    >>> mask_distance([torch.tensor([True, False])], [torch.tensor([True, True])])
    0.5
    """
    first, second = torch.cat(list(one)), torch.cat(list(other))
    return float((first != second).sum()) / len(first)


def cut_to_masks(
    model: Prunable, masks: Sequence[Tensor], warn: Optional[Callable[..., None]] = None
) -> Prunable:
    """The thin network that keeps the channels of `masks`; `warn("layer_emptied", layers=[...])` is called if a layer had to be rescued."""
    chosen = model.settle(masks)
    if chosen.rescued and warn is not None:
        warn("layer_emptied", layers=chosen.rescued)
    return model.cut(chosen.index)


def cut_one(model: Prunable, norm: int, index: Tensor) -> Prunable:
    """The network with only the channels `index` of the norm at place `norm`, and all of the others."""
    keep = [torch.arange(len(scale)) for scale in model.scales()]
    keep[norm] = index.cpu()
    return model.cut(keep)
