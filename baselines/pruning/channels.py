"""Prune channels: one ranking over all normalisation scales, masks, and the cut to them."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from joulebird.baselines.models.base import Prunable, cpu_state
from joulebird.baselines.training import flops
from joulebird.baselines.training.task import Result, Task
from joulebird.harness.core.errors import SpecError


class ThinNetwork(NamedTuple):
    """The fields of a cut network's result: `epoch` counts its epochs before the cut."""

    widths: List[Any]
    state: Dict[str, Tensor]
    epoch: int
    masks: List[Tensor]


def ranked_masks(scales: Sequence[Tensor], ratio: float) -> List[Tensor]:
    """Return each layer's mask: true where |scale| is above the threshold of one ranking.

    The threshold is the value at place int(T * ratio) of the T sorted magnitudes of all layers.
    Values at the threshold go too: int(T * ratio) + 1 channels without ties, more with (network
    slimming, and the Early-Bird authors). A ratio of 0 keeps everything.

    >>> scales = [torch.tensor([0.9, -0.1, 0.4]), torch.tensor([0.05, 0.3])]
    >>> [mask.int().tolist() for mask in ranked_masks(scales, 0.4)]
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
    """Refuse a pruning ratio outside [0, 1)."""
    if not 0 <= ratio < 1:
        raise SpecError(
            f"a pruning ratio of {ratio} leaves no network",
            "give a ratio from 0 (the dense network) up to, not including, 1",
        )


def mask_distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """Return the share of channels in which two lists of masks differ.

    >>> mask_distance([torch.tensor([True, False])], [torch.tensor([True, True])])
    0.5
    """
    differ = torch.cat(list(first)) != torch.cat(list(second))
    return float(differ.sum()) / len(differ)


def cut_to_masks(
    model: Prunable, masks: Sequence[Tensor], warn: Optional[Callable[..., None]] = None
) -> Prunable:
    """Return the thin network with the channels of `masks`.

    `warn("layer_emptied", layers=[...])` is called if a layer had to be rescued.
    """
    kept = model.kept_channels(masks)
    if kept.rescued and warn is not None:
        warn("layer_emptied", layers=kept.rescued)
    return model.cut(kept.channels)


def cut_one(model: Prunable, norm: int, index: Tensor) -> Prunable:
    """Return the network with only the channels `index` of one norm, and all of the others."""
    keep = [torch.arange(len(scale)) for scale in model.scales()]
    keep[norm] = index.cpu()
    return model.cut(keep)


def cut_network(
    stage: Any, task: Task, model: Prunable, masks: List[Tensor], epoch: int
) -> ThinNetwork:
    """Return `model` cut to `masks`; the stage's metrics hold its channels and MACs."""
    thin = cut_to_masks(model, masks, stage.warn)
    stage.metric(
        channels=sum(len(mask) for mask in masks),
        channels_kept=sum(len(scale) for scale in thin.scales()),
        **saved_macs(task, model, thin),
    )
    return ThinNetwork(thin.widths, cpu_state(thin), epoch, masks)


def saved_macs(task: Task, model: Prunable, thin: Prunable) -> Dict[str, float]:
    """Return the thin network's MACs and their share of the whole network's, as metrics."""
    shape = task.source().shape
    before, after = flops.count(model, shape), flops.count(thin, shape)
    return {"macs": after.macs, "macs_share": after.macs / before.macs}


def thin_network(stage: Any, task: Task, trained: Result, ratio: float) -> Result:
    """Return the `ThinNetwork` without the share `ratio` of channels with the smallest scales.

    The weights are inherited. A layer that would lose every channel keeps its strongest one, with a
    warning.
    """
    model = task.network(trained)
    masks = ranked_masks(model.scales(), ratio)
    return dict(cut_network(stage, task, model, masks, trained["epoch"])._asdict())
