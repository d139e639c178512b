"""The interface of a prunable network: widths, norms in ranking order, and an exact cut."""

import contextlib
import math
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Type, TypeVar

import torch
from torch import Tensor, nn


class Target(NamedTuple):
    """A layer whose output channels ThiNet may remove: they leave `conv`, pass `bn`, enter `next`.

    `norm` is the place of `bn` in `Prunable.norms()`, so that `channels.cut_one(model, norm, kept)`
    removes them.
    """

    norm: int
    conv: nn.Conv2d
    bn: nn.BatchNorm2d
    next: nn.Module


class Kept(NamedTuple):
    """The channels that stay, norm by norm, and the places of norms that would have lost all."""

    channels: List[Tensor]
    rescued: List[int]


class Prunable(nn.Module):
    """A network built from a list of channel widths.

    Subclasses take `(classes=10, widths=None)` and set `classes` and `widths`.
    """

    input_shape = (3, 32, 32)
    classes: int = 10
    widths: List[Any]

    @classmethod
    def dense_widths(cls, width: float = 1.0) -> List[Any]:
        """Return the unpruned network's widths times `width`, at least one channel each."""
        raise NotImplementedError(f"{cls.__name__} names no widths")

    def norms(self) -> List[nn.BatchNorm2d]:
        """Return the batch normalisations whose scales are ranked, in the ranking's order."""
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]

    def scales(self) -> List[Tensor]:
        """Return |gamma| of the channels that each of `norms()` passes on, for the ranking."""
        whole = [norm.weight.detach().abs().cpu() for norm in self.norms()]
        return [
            scale[gate.chosen(len(scale))] if isinstance(gate, ChannelSelect) else scale
            for scale, gate in zip(whole, self.gates())
        ]

    def gates(self) -> List[Optional[nn.Module]]:
        """Return for each of `norms()` the module whose output has the channels of `scales()`.

        It is the norm itself or the selection behind it; None where pruning changes nothing. With
        the pruned channels of these outputs forced to zero, this network computes the same as the
        cut one.
        """
        return list(self.norms())

    def kept_channels(self, masks: Sequence[Tensor]) -> Kept:
        """Return the channels that a cut to `masks` keeps in this structure, as sorted indices.

        A layer whose mask is empty keeps its strongest channel (the first of equals).
        """
        filled = [
            mask.cpu() if mask.any() else strongest(scale)
            for mask, scale in zip(masks, self.scales())
        ]
        channels = [torch.nonzero(mask, as_tuple=False).flatten() for mask in filled]
        return Kept(channels, [place for place, mask in enumerate(masks) if not mask.any()])

    def cut(self, keep: Sequence[Tensor]) -> "Prunable":
        """Return a smaller network that keeps the channels `keep[i]` of each of `norms()`.

        Its output equals this network's with the other channels of `gates()` forced to zero. This
        network is not changed.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be cut")

    def thinet_targets(self) -> List[Target]:
        """Return the layers that ThiNet prunes, in forward order."""
        raise NotImplementedError(f"{type(self).__name__} names no ThiNet layers")


Net = TypeVar("Net", bound=Prunable)


class ChannelSelect(nn.Module):
    """Passes on the channels `index` of its input, at no cost if it keeps all of them."""

    index: Optional[Tensor]

    def __init__(self, channels: int, kept: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("index", None if kept == channels else torch.arange(kept))

    def forward(self, x: Tensor) -> Tensor:
        """Return the chosen channels, in the input's memory order."""
        if self.index is None:
            return x
        if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
            return x.index_select(1, self.index)
        # index_select gives the usual order; the layers behind would take twice the time with two
        count, channels, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(-1, channels).index_select(1, self.index)
        return pixels.view(count, height, width, -1).permute(0, 3, 1, 2)

    def relu(self) -> nn.ReLU:
        """Return the ReLU behind the selection.

        Behind an actual one it works out of place: in place, autograd would copy whole maps.
        """
        return nn.ReLU(inplace=self.index is None)

    def chosen(self, channels: int) -> Tensor:
        """Return the CPU index of the passing ones of the `channels` inputs."""
        return torch.arange(channels) if self.index is None else self.index.cpu()

    def choose(self, index: Tensor) -> None:
        """Pass the channels `index`; their number was fixed when this was built."""
        if self.index is not None:
            self.index.copy_(index)


class MapAverage(nn.Module):
    """The average of each whole map, as a module that operation counters see."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels, 1, 1)."""
        return x.mean((2, 3), keepdim=True)


def strongest(scale: Tensor) -> Tensor:
    """Return a mask of the channel with the largest |scale|, the first of equals.

    >>> strongest(torch.tensor([0.1, -0.9, 0.9])).tolist()
    [False, True, False]
    """
    mask = torch.zeros(len(scale), dtype=torch.bool)
    mask[torch.nonzero(scale.abs() == scale.abs().max(), as_tuple=False)[0]] = True
    return mask


def scaled(channels: int, width: float) -> int:
    """Return `channels` times the width multiplier, at least one.

    >>> scaled(64, 0.125), scaled(3, 0.1)
    (8, 1)
    """
    return max(1, int(channels * width + 1e-9))


def block_shape(stream: Sequence[int], stage: int, place: int) -> Tuple[int, int, int]:
    """Return the channels into and out of block `place` of a stage, and its stride.

    >>> [block_shape([16, 64, 128], stage, place) for stage, place in ((0, 0), (0, 1), (1, 0))]
    [(16, 64, 1), (64, 64, 1), (64, 128, 2)]
    """
    return stream[stage + (place > 0)], stream[stage + 1], 2 if stage and place == 0 else 1


def initialise(model: nn.Module, scale: float = 0.5) -> None:
    """Draw the Early-Bird authors' start; linear layers keep their own.

    Convolutions are N(0, sqrt(2 / (k k out))), scales `scale`, shifts 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out))
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, scale)
            nn.init.zeros_(module.bias)


def copy_weight(
    new: Any, old: Any, out: Optional[Tensor] = None, into: Optional[Tensor] = None
) -> None:
    """Copy a layer's weight, keeping its outputs `out` and inputs `into` (None: all)."""
    weight = old.weight.detach()
    weight = weight if out is None else weight[out.to(weight.device)]
    new.weight.data.copy_(weight if into is None else weight[:, into.to(weight.device)])


def copy_norm(new: nn.BatchNorm2d, old: nn.BatchNorm2d, kept: Optional[Tensor] = None) -> None:
    """Copy scales, shifts and running statistics of the channels `kept` (None: all)."""
    for name in ("weight", "bias", "running_mean", "running_var"):
        values = getattr(old, name).detach()
        getattr(new, name).data.copy_(values if kept is None else values[kept.to(values.device)])
    tracked: Any = new.num_batches_tracked
    tracked.copy_(old.num_batches_tracked)


def copy_layers(new: Any, old: Any, kept: Sequence[Optional[Tensor]]) -> None:
    """Copy conv1, bn1, conv2, bn2, ... and keep the channels `kept[i]` before conv(i + 1).

    The last of `kept` are the channels behind the last norm.
    """
    for number, (into, out) in enumerate(zip(kept, kept[1:]), 1):
        copy_weight(getattr(new, f"conv{number}"), getattr(old, f"conv{number}"), out, into)
        copy_norm(getattr(new, f"bn{number}"), getattr(old, f"bn{number}"), out)


def copy_linear(new: nn.Linear, old: nn.Linear, into: Optional[Tensor] = None) -> None:
    """Copy a linear layer, keeping the inputs `into` (None: all)."""
    copy_weight(new, old, None, into)
    new.bias.data.copy_(old.bias.detach())


def like(model: Net, widths: List[Any]) -> Net:
    """Return a network of the same kind and device with other widths, to copy weights into."""
    with torch.random.fork_rng(devices=[]):  # drawing its weights must not move the global numbers
        new = type(model)(model.classes, widths)
    return new.to(next(model.parameters()).device).train(model.training)


def cpu_state(model: nn.Module) -> Dict[str, Tensor]:
    """Return the state of a network as copies on the CPU, in the usual memory order."""
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in model.state_dict().items()
    }


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network into eval mode without gradients; restore its mode behind the block."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


Call = Tuple[Any, torch.Size, torch.Size]  # a layer, the shapes of its input and output


def calls(model: nn.Module, shape: Sequence[int], *kinds: Type[nn.Module]) -> List[Call]:
    """Return the calls of layers of some `kinds` for one image of zeros, in eval mode."""
    found: List[Call] = []

    def note(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        found.append((layer, inputs[0].shape, output.shape))

    layers = [module for module in model.modules() if isinstance(module, kinds)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    parameter = next(model.parameters())
    try:
        with evaluating(model):
            model(torch.zeros((1, *shape), device=parameter.device, dtype=parameter.dtype))
    finally:
        for handle in handles:
            handle.remove()
    return found


def check_keep(model: Prunable, keep: Sequence[Tensor]) -> None:
    """Refuse a `keep` other than one non-empty index a norm."""
    if len(keep) != len(model.norms()):
        raise ValueError(f"{len(keep)} lists of channels for {len(model.norms())} norms")
    for place, index in enumerate(keep):
        if len(index) == 0:
            raise ValueError(f"norm {place} would lose every channel; see kept_channels()")
