"""ResNets of depth 6n + 2 for 32 x 32 images (He et al. 2016, section 4.2, option A)."""

from typing import Any, List, Optional, Sequence

import torch
from torch import Tensor, nn

from joulebird.baselines.models.base import (
    Prunable,
    Target,
    block_shape,
    check_keep,
    copy_layers,
    copy_linear,
    like,
    scaled,
)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with `inner` channels between, plus the input.

    The input is subsampled and padded with zeros where the stream widens.
    """

    def __init__(self, channels: int, out: int, stride: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.stride, self.missing = stride, out - channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream behind the block."""
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1 or self.missing:
            before = self.missing // 2
            x = x[:, :, :: self.stride, :: self.stride]
            x = nn.functional.pad(x, (0, 0, 0, 0, before, self.missing - before))
        return self.relu(y + x)


class ResNetCifar(Prunable):
    """Stem, three stages of n basic blocks, average pool, one linear layer.

    Input (n, 3, 32, 32), output (n, classes). `widths`: [stem, stage 1, stage 2, stage 3] of the
    stream, which pruning never narrows, then the inner channels of every block. Only the norms
    between a block's two convolutions are ranked: the shortcuts need the stream whole. Convolutions
    and the classifier start as N(0, sqrt(2 / fan_in)), scales as 1.
    """

    depth = 8

    def __init__(self, classes: int = 10, widths: Optional[Sequence[Any]] = None) -> None:
        super().__init__()
        self.classes = classes
        self.widths = [[int(count) for count in group] for group in (widths or self.dense_widths())]
        stream, inner = self.widths
        self.conv1 = nn.Conv2d(3, stream[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stream[0])
        places = [divmod(place, (self.depth - 2) // 6) for place in range(len(inner))]
        blocks = [BasicBlock(*block_shape(stream, *at), width) for at, width in zip(places, inner)]
        self.blocks: Any = nn.Sequential(*blocks)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(stream[-1], classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    @classmethod
    def dense_widths(cls, width: float = 1.0) -> List[List[int]]:
        """Return stream and inner channels of the unpruned network, times `width`."""
        planes = [scaled(channels, width) for channels in (16, 32, 64)]
        blocks = (cls.depth - 2) // 6
        return [[planes[0]] + planes, [channels for channels in planes for _ in range(blocks)]]

    def norms(self) -> List[nn.BatchNorm2d]:
        """Return each block's inner norm."""
        return [block.bn1 for block in self.blocks]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = self.blocks(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(x.mean((2, 3)), 1))

    def cut(self, keep: Sequence[Tensor]) -> "ResNetCifar":
        """Return the network with the inner channels `keep`."""
        check_keep(self, keep)
        new = like(self, [self.widths[0], [len(index) for index in keep]])
        copy_layers(new, self, [None, None])
        for new_block, block, index in zip(new.blocks, self.blocks, keep):
            copy_layers(new_block, block, [None, index, None])
        copy_linear(new.fc, self.fc)
        return new

    def thinet_targets(self) -> List[Target]:
        """Return the output of the first convolution of each block."""
        return [
            Target(place, block.conv1, block.bn1, block.conv2)
            for place, block in enumerate(self.blocks)
        ]


class ResNet8(ResNetCifar):
    """One block a stage: for tests and first steps."""


class ResNet20(ResNetCifar):
    """269 722 parameters, 40 551 040 MACs an image; 92.5 % in "The sooner the better"."""

    depth = 20


class ResNet56(ResNetCifar):
    """853 018 parameters, 125 485 696 MACs an image; 94.25 % in "The sooner the better"."""

    depth = 56
