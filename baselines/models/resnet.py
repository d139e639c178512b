"""ResNet18 and ResNet50 for ImageNet, pruned as the Early-Bird authors do for Table 3.

Layers have torchvision's names.
"""

from typing import Any, List, Optional, Sequence

import torch
from torch import Tensor, nn

from joulebird.baselines.models.base import (
    ChannelSelect,
    Kept,
    MapAverage,
    Prunable,
    Target,
    block_shape,
    check_keep,
    copy_layers,
    copy_linear,
    copy_norm,
    copy_weight,
    initialise,
    like,
    scaled,
    strongest,
)


class BasicBlock(nn.Module):
    """Select, 3 x 3, norm, 3 x 3, norm, plus the whole stream.

    `widths`: channels into the first and the second convolution.
    """

    def __init__(self, channels: int, out: int, stride: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.select = ChannelSelect(channels, widths[0])
        self.conv1 = nn.Conv2d(widths[0], widths[1], 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[1])
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(widths[1], out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = _downsample(channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream behind the block."""
        y = self.relu(self.bn1(self.conv1(self.select(x))))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1 x 1, norm, 3 x 3, norm, 1 x 1, norm, plus the stream.

    `widths`: channels out of the first and the second convolution.
    `early`: the first convolution has the stride (He et al. 2016, and ThiNet's networks), not the
    second (torchvision's).
    """

    def __init__(
        self, channels: int, out: int, stride: int, widths: Sequence[int], first: bool, early: bool
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 1, stride=stride if early else 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.conv2 = nn.Conv2d(
            widths[0], widths[1], 3, stride=1 if early else stride, padding=1, bias=False
        )
        self.bn2 = nn.BatchNorm2d(widths[1])
        self.conv3 = nn.Conv2d(widths[1], out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _downsample(channels, out, stride, always=first)

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream behind the block."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def _downsample(
    channels: int, out: int, stride: int, always: bool = False
) -> Optional[nn.Sequential]:
    if not always and stride == 1 and channels == out:
        return None
    return nn.Sequential(
        nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
    )


class ResNet(Prunable):
    """7 x 7 stem, max pool, four stages of blocks, average pool, one linear layer.

    `widths`: first [stem, stage 1, ..., stage 4] of the stream, then a list a block. Input (n, 3,
    224, 224), output (n, classes). Convolutions start as N(0, sqrt(2 / (k k out))), scales at 1.
    """

    input_shape = (3, 224, 224)
    counts: Sequence[int] = ()
    planes = (64, 128, 256, 512)

    def __init__(
        self, classes: int = 1000, widths: Optional[Sequence[Sequence[int]]] = None
    ) -> None:
        super().__init__()
        self.classes = classes
        self.widths = [[int(count) for count in group] for group in (widths or self.dense_widths())]
        stream, blocks = self.widths[0], iter(self.widths[1:])
        self.conv1 = nn.Conv2d(3, stream[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stream[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for stage, count in enumerate(self.counts):
            layer = [self._block(stage, place, next(blocks)) for place in range(count)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layer))
        self.avgpool = MapAverage()
        self.fc = nn.Linear(stream[-1], classes)
        initialise(self, scale=1.0)

    def _block(self, stage: int, place: int, widths: Sequence[int]) -> nn.Module:
        raise NotImplementedError(f"{type(self).__name__} has no blocks")

    def blocks(self) -> List[Any]:
        """Return the blocks in forward order: `BasicBlock` or `Bottleneck`."""
        stages = range(1, len(self.counts) + 1)
        return [block for stage in stages for block in getattr(self, f"layer{stage}")]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for block in self.blocks():
            x = block(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))

    def _places(self) -> List[int]:
        """Return the place in `norms()` of each block's first norm."""
        order = {id(norm): place for place, norm in enumerate(self.norms())}
        return [order[id(block.bn1)] for block in self.blocks()]


class ResNet18(ResNet):
    """11 689 512 parameters, 1 814 073 344 MACs an image.

    Widths: [into conv1, into conv2] of every block. All 20 norms are ranked. The stem's and each
    block's last choose the channels of the stream that enter the next block's first convolution;
    the stream itself is never narrowed. The last one, and those of the shortcuts, choose nothing
    (the authors' code).
    """

    counts = (2, 2, 2, 2)

    @classmethod
    def dense_widths(cls, width: float = 1.0) -> List[List[int]]:
        """Return the stream and the inputs of each block's convolutions, times `width`."""
        planes = [scaled(channels, width) for channels in cls.planes]
        stream = planes[:1] + planes
        pairs = zip(stream, planes)
        return [stream] + [[into, plane] for first, plane in pairs for into in (first, plane)]

    def _block(self, stage: int, place: int, widths: Sequence[int]) -> nn.Module:
        return BasicBlock(*block_shape(self.widths[0], stage, place), widths)

    def _selecting(self) -> List[int]:
        """Return the place of the norm that selects each block's input, the one before it."""
        return [0] + [place + 1 for place in self._places()[:-1]]

    def gates(self) -> List[Optional[nn.Module]]:
        """Return each block's selection and inner norm, in the places of their norms."""
        gates: List[Optional[nn.Module]] = [None] * len(self.norms())
        for block, selecting, place in zip(self.blocks(), self._selecting(), self._places()):
            gates[selecting] = block.select
            gates[place] = block.bn1
        return gates

    def kept_channels(self, masks: Sequence[Tensor]) -> Kept:
        """Return the channels of `masks`, and all of those that no gate prunes."""
        gated = zip(masks, self.gates())
        return super().kept_channels(
            [torch.ones_like(mask) if gate is None else mask for mask, gate in gated]
        )

    def cut(self, keep: Sequence[Tensor]) -> "ResNet18":
        """Return the network with the channels `keep`."""
        check_keep(self, keep)
        pairs = list(zip(self._selecting(), self._places()))
        widths = [[len(keep[selecting]), len(keep[place])] for selecting, place in pairs]
        new = like(self, [self.widths[0], *widths])
        copy_layers(new, self, [None, None])
        for new_block, block, (selecting, place) in zip(new.blocks(), self.blocks(), pairs):
            new_block.select.choose(block.select.chosen(block.select.channels)[keep[selecting]])
            copy_layers(new_block, block, [keep[selecting], keep[place], None])
            _copy_shortcut(new_block, block)
        copy_linear(new.fc, self.fc)
        return new

    def thinet_targets(self) -> List[Target]:
        """Return the output of the first convolution of each block."""
        return [
            Target(place, block.conv1, block.bn1, block.conv2)
            for place, block in zip(self._places(), self.blocks())
        ]


class ResNet50(ResNet):
    """25 557 032 parameters, 4 089 184 256 MACs an image (stride in the 3 x 3).

    Widths: [out of conv1, out of conv2] of every block. All 53 norms are ranked. A stage's stream
    keeps the channels of its first block's last norm or of its shortcut's, the larger of both; the
    last norms of its other blocks follow (the authors' code, which retrains from new weights where
    we inherit).
    """

    counts = (3, 4, 6, 3)
    early = False

    @classmethod
    def dense_widths(cls, width: float = 1.0) -> List[List[int]]:
        """Return the stream and the outputs of each block's convolutions, times `width`."""
        planes = [scaled(channels, width) for channels in cls.planes]
        blocks = [[inner, inner] for inner, count in zip(planes, cls.counts) for _ in range(count)]
        return [planes[:1] + [4 * channels for channels in planes]] + blocks

    def _block(self, stage: int, place: int, widths: Sequence[int]) -> nn.Module:
        shape = block_shape(self.widths[0], stage, place)
        return Bottleneck(*shape, widths, place == 0, self.early)

    def _groups(self) -> List[List[int]]:
        """Return the places of the norms that write each stage's stream.

        The first two are its first block's last one and its shortcut's.
        """
        groups, places = [], iter(self._places())
        for count in self.counts:
            firsts = [next(places) for _ in range(count)]
            groups.append([firsts[0] + 2, firsts[0] + 3] + [first + 2 for first in firsts[1:]])
        return groups

    def kept_channels(self, masks: Sequence[Tensor]) -> Kept:
        """Return the channels of `masks`, with one mask for all norms of a stream."""
        masks, scales, rescued = list(masks), self.scales(), []
        for group in self._groups():
            leader = max(group[:2], key=lambda place: int(masks[place].sum()))
            shared = masks[leader]
            if not shared.any():
                shared = strongest(scales[leader])
                rescued.append(leader)
            for place in group:
                masks[place] = shared
        kept = super().kept_channels(masks)
        return Kept(kept.channels, sorted(rescued + kept.rescued))

    def cut(self, keep: Sequence[Tensor]) -> "ResNet50":
        """Return the network with the channels `keep`, equal ones for the norms of a stream."""
        check_keep(self, keep)
        groups = self._groups()
        for group in groups:
            if any(not torch.equal(keep[place], keep[group[0]]) for place in group):
                raise ValueError(f"norms {group} write one stream; see kept_channels()")
        streams = [keep[0]] + [keep[group[0]] for group in groups]
        inner = [(keep[place], keep[place + 1]) for place in self._places()]
        widths = [[len(index) for index in group] for group in [streams, *inner]]
        new = like(self, widths)
        copy_layers(new, self, [None, keep[0]])
        stages = [stage for stage, count in enumerate(self.counts) for _ in range(count)]
        blocks = zip(new.blocks(), self.blocks(), stages, inner)
        for new_block, block, stage, (first, second) in blocks:
            out = streams[stage + 1]
            into = streams[stage] if block.downsample is not None else out
            copy_layers(new_block, block, [into, first, second, out])
            _copy_shortcut(new_block, block, out, into)
        copy_linear(new.fc, self.fc, streams[-1])
        return new

    def thinet_targets(self) -> List[Target]:
        """Return the outputs of each block's first two convolutions, as ThiNet prunes ResNet50."""
        return [
            target
            for place, block in zip(self._places(), self.blocks())
            for target in (
                Target(place, block.conv1, block.bn1, block.conv2),
                Target(place + 1, block.conv2, block.bn2, block.conv3),
            )
        ]


class ResNet50v1(ResNet50):
    """ResNet50 with the stride in the first 1 x 1, ThiNet's in Table 3: 7.72 GFLOPs an image."""

    early = True


def _copy_shortcut(
    new: Any, old: Any, out: Optional[Tensor] = None, into: Optional[Tensor] = None
) -> None:
    if old.downsample is not None:
        copy_weight(new.downsample[0], old.downsample[0], out, into)
        copy_norm(new.downsample[1], old.downsample[1], out)
