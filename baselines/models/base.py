"""What every prunable network offers: widths, norms in ranking order, and an exact cut."""

import math
from typing import Any, List, NamedTuple, Optional, Sequence

import torch
from torch import Tensor, nn


class Target(NamedTuple):
    """A layer whose output channels ThiNet may remove: they leave `conv`, pass `bn`, and enter `next`.

    `norm` is the place of `bn` in `Prunable.norms()`, so that `channels.cut_one(model, norm, kept)` removes them.
    """

    norm: int
    conv: nn.Conv2d
    bn: nn.BatchNorm2d
    next: nn.Module


class Kept(NamedTuple):
    """The channels that stay, norm by norm, and the places of the norms that would have lost all of theirs."""

    index: List[Tensor]
    rescued: List[int]


class Prunable(nn.Module):
    """A network built from a list of channel widths. Subclasses take `(classes=10, widths=None)` and set `classes` and `widths`."""

    input_shape = (3, 32, 32)
    classes = 10  # type: int
    widths = None  # type: List[Any]

    @classmethod
    def dense_widths(cls, width: float = 1.0) -> List[Any]:
        """The widths of the unpruned network, each layer's width multiplied by `width` (at least one channel)."""
        raise NotImplementedError(f"{cls.__name__} names no widths")

    def norms(self) -> List[nn.BatchNorm2d]:
        """Every batch normalisation whose scales are ranked, in the ranking's order (the order of `modules()`)."""
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]

    def scales(self) -> List[Tensor]:
        """|gamma| of the channels that each of `norms()` passes on, as CPU tensors: what the ranking sorts."""
        return [norm.weight.detach().abs().cpu() for norm in self.norms()]

    def gates(self) -> List[Optional[nn.Module]]:
        """For each of `norms()` the module whose output has the channels of `scales()`, one for one: the norm itself, or the selection
        behind it where there is one; None where pruning changes nothing. With the pruned channels of these outputs forced to zero, this
        network computes what the cut one computes.
        """
        return list(self.norms())

    def settle(self, masks: Sequence[Tensor]) -> Kept:
        """The channels that a cut to `masks` keeps, as sorted indices: what the structure allows, and never none.

        A layer whose mask is empty keeps its strongest channel (the first of equals).
        """
        index, rescued = [], []
        for place, (mask, scale) in enumerate(zip(masks, self.scales())):
            if not mask.any():
                mask = strongest(scale)
                rescued.append(place)
            index.append(torch.nonzero(mask.cpu(), as_tuple=False).flatten())
        return Kept(index, rescued)

    def cut(self, keep: Sequence[Tensor]) -> "Prunable":
        """A smaller network that keeps, of what each of `norms()` passes on, the channels `keep[i]` (as `settle` gives them).

        Its output equals this network's with the other channels of `gates()` forced to zero. This network is not touched.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be cut")

    def thinet_targets(self) -> List[Target]:
        """The layers that ThiNet prunes, in forward order."""
        raise NotImplementedError(f"{type(self).__name__} names no ThiNet layers")


class ChannelSelect(nn.Module):
    """Passes on the channels `index` of its input. Costs nothing when it keeps all of them, and never waits for the device."""

    def __init__(self, channels: int, kept: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("index", None if kept == channels else torch.arange(kept))

    def forward(self, x: Tensor) -> Tensor:
        if self.index is None:
            return x
        if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
            return x.index_select(1, self.index)
        # index_select would give the usual order, and what follows, forward and backward, would work across two orders: twice the time
        count, channels, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(-1, channels).index_select(1, self.index)
        return pixels.view(count, height, width, -1).permute(0, 3, 1, 2)

    def relu(self) -> nn.ReLU:
        """A ReLU to put behind the selection. Behind an actual one it works out of place: in place, autograd would copy whole maps."""
        return nn.ReLU(inplace=self.index is None)

    def chosen(self, channels: int) -> Tensor:
        """Which of the `channels` inputs pass, as a CPU index."""
        return torch.arange(channels) if self.index is None else self.index.cpu()

    def choose(self, index: Tensor) -> None:
        """Pass the channels `index`; their number was fixed when this was built."""
        if self.index is not None:
            self.index.copy_(index)


class MapAverage(nn.Module):
    """The average of each whole map, as (n, channels, 1, 1): a pooling module that operation counters of modules see."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


def strongest(scale: Tensor) -> Tensor:
    """A mask of the one channel with the largest |scale|, the first of equals.

    >>> strongest(torch.tensor([0.1, -0.9, 0.9])).tolist()
    [False, True, False]
    """
    mask = torch.zeros(len(scale), dtype=torch.bool)
    mask[torch.nonzero(scale.abs() == scale.abs().max(), as_tuple=False)[0]] = True
    return mask


def scaled(channels: int, width: float) -> int:
    """`channels` times the width multiplier, at least one.

    >>> scaled(64, 0.125), scaled(3, 0.1)
    (8, 1)
    """
    return max(1, int(channels * width + 1e-9))


def initialise(model: nn.Module, scale: float = 0.5) -> None:
    """The Early-Bird authors' start: convolutions N(0, sqrt(2 / (k k out))), scales `scale`, shifts 0; linear layers are left alone."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out))
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, scale)
            nn.init.zeros_(module.bias)


def copy_conv(
    new: nn.Conv2d, old: nn.Conv2d, out: Optional[Tensor] = None, into: Optional[Tensor] = None
) -> None:
    """Copy a convolution's weights (and bias), keeping the output channels `out` and the input channels `into` (None: all)."""
    weight = old.weight.detach()
    weight = weight if out is None else weight[out.to(weight.device)]
    weight = weight if into is None else weight[:, into.to(weight.device)]
    new.weight.data.copy_(weight)
    if old.bias is not None:
        new.bias.data.copy_(
            old.bias.detach() if out is None else old.bias.detach()[out.to(weight.device)]
        )


def copy_norm(new: nn.BatchNorm2d, old: nn.BatchNorm2d, kept: Optional[Tensor] = None) -> None:
    """Copy scales, shifts and running statistics of the channels `kept` (None: all)."""
    for name in ("weight", "bias", "running_mean", "running_var"):
        values = getattr(old, name).detach()
        getattr(new, name).data.copy_(values if kept is None else values[kept.to(values.device)])
    new.num_batches_tracked.copy_(old.num_batches_tracked)


def copy_linear(new: nn.Linear, old: nn.Linear, into: Optional[Tensor] = None) -> None:
    """Copy a linear layer, keeping the inputs `into` (None: all)."""
    weight = old.weight.detach()
    new.weight.data.copy_(weight if into is None else weight[:, into.to(weight.device)])
    new.bias.data.copy_(old.bias.detach())


def like(model: Prunable, widths: List[Any]) -> Prunable:
    """A network of the same kind and on the same device as `model`, with other widths; its weights wait to be copied in."""
    with torch.random.fork_rng(
        devices=[]
    ):  # building draws random weights; that must not move anybody's random numbers
        new = type(model)(model.classes, widths)
    new.to(next(model.parameters()).device)
    return new.train(model.training)


def check_keep(model: Prunable, keep: Sequence[Tensor]) -> None:
    """Refuse a `keep` that does not fit: one non-empty index a norm."""
    if len(keep) != len(model.norms()):
        raise ValueError(f"{len(keep)} lists of channels for {len(model.norms())} norms")
    for place, index in enumerate(keep):
        if len(index) == 0:
            raise ValueError(
                f"norm {place} would lose every channel; settle() keeps its strongest one"
            )
