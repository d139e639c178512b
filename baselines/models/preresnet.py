"""Pre-activation ResNets of depth 9n + 2 for 32 x 32 images, as network slimming prunes them."""

from typing import Any, List, Optional, Sequence

from torch import Tensor, nn

from joulebird.baselines.models.base import (
    ChannelSelect,
    Prunable,
    Target,
    block_shape,
    check_keep,
    copy_linear,
    copy_norm,
    copy_weight,
    initialise,
    like,
    scaled,
)


class Bottleneck(nn.Module):
    """Norm, select, 1 x 1, norm, 3 x 3, norm, 1 x 1, plus the block's raw input.

    The input passes a 1 x 1 convolution where the stream widens. `widths`: channels into the first,
    second and third convolution. The stream (`channels` in, `out` out) is never narrowed.
    """

    def __init__(
        self, channels: int, out: int, stride: int, widths: Sequence[int], widen: bool
    ) -> None:
        super().__init__()
        first, second, third = widths
        self.bn1 = nn.BatchNorm2d(channels)
        self.select = ChannelSelect(channels, first)
        self.relu1 = self.select.relu()
        self.conv1 = nn.Conv2d(first, second, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(second)
        self.conv2 = nn.Conv2d(second, third, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(third)
        self.conv3 = nn.Conv2d(third, out, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Conv2d(channels, out, 1, stride=stride, bias=False) if widen else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream behind the block."""
        y = self.conv1(self.relu1(self.select(self.bn1(x))))
        y = self.conv2(self.relu(self.bn2(y)))
        y = self.conv3(self.relu(self.bn3(y)))
        return y + (x if self.shortcut is None else self.shortcut(x))

    def copy_from(self, old: "Bottleneck", keep: Sequence[Tensor]) -> None:
        """Copy the weights of `old`, keeping the channels `keep` behind its three norms."""
        copy_norm(self.bn1, old.bn1)
        self.select.choose(old.select.chosen(old.bn1.num_features)[keep[0]])
        copy_weight(self.conv1, old.conv1, keep[1], keep[0])
        copy_norm(self.bn2, old.bn2, keep[1])
        copy_weight(self.conv2, old.conv2, keep[2], keep[1])
        copy_norm(self.bn3, old.bn3, keep[2])
        copy_weight(self.conv3, old.conv3, None, keep[2])
        if self.shortcut is not None and old.shortcut is not None:
            copy_weight(self.shortcut, old.shortcut)


class PreResNet(Prunable):
    """`depth` = 9n + 2 layers: three stages of n bottlenecks.

    Input (n, 3, 32, 32), output (n, classes).

    `widths`: first the stream, [stem, stage 1, stage 2, stage 3], which pruning never narrows; then
    [into conv1, conv2, conv3] of every block; last [into the classifier]. Depth 101: 1 054 106
    parameters with 10 classes.
    """

    depth = 11

    def __init__(self, classes: int = 10, widths: Optional[Sequence[Sequence[int]]] = None) -> None:
        super().__init__()
        self.classes = classes
        self.widths = [[int(count) for count in group] for group in (widths or self.dense_widths())]
        stream, blocks, (last,) = self.widths[0], self.widths[1:-1], self.widths[-1]
        places = [divmod(place, (self.depth - 2) // 9) for place in range(len(blocks))]
        self.conv1 = nn.Conv2d(3, stream[0], 3, padding=1, bias=False)
        self.blocks: Any = nn.Sequential(
            *[
                Bottleneck(*block_shape(stream, stage, place), block, place == 0)
                for (stage, place), block in zip(places, blocks)
            ]
        )
        self.bn = nn.BatchNorm2d(stream[-1])
        self.select = ChannelSelect(stream[-1], last)
        self.relu = self.select.relu()
        self.fc = nn.Linear(last, classes)
        initialise(self)

    @classmethod
    def dense_widths(cls, width: float = 1.0) -> List[List[int]]:
        """Return stream, blocks and classifier input of the unpruned network, times `width`."""
        planes = [scaled(channels, width) for channels in (16, 32, 64)]
        stream = [planes[0]] + [4 * channels for channels in planes]
        blocks = [
            [stream[stage + (place > 0)], inner, inner]
            for stage, inner in enumerate(planes)
            for place in range((cls.depth - 2) // 9)
        ]
        return [stream] + blocks + [[stream[-1]]]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = self.relu(self.select(self.bn(self.blocks(self.conv1(x)))))
        return self.fc(x.mean((2, 3)))

    def gates(self) -> List[Optional[nn.Module]]:
        """Return the selections and the norms without one."""
        gates = [gate for block in self.blocks for gate in (block.select, block.bn2, block.bn3)]
        return [*gates, self.select]

    def cut(self, keep: Sequence[Tensor]) -> "PreResNet":
        """Return the network with the channels `keep`."""
        check_keep(self, keep)
        counts = [len(index) for index in keep]
        blocks = [counts[place : place + 3] for place in range(0, len(counts) - 1, 3)]
        new = like(self, [self.widths[0]] + blocks + [counts[-1:]])
        copy_weight(new.conv1, self.conv1)
        for place, (new_block, block) in enumerate(zip(new.blocks, self.blocks)):
            new_block.copy_from(block, keep[3 * place : 3 * place + 3])
        copy_norm(new.bn, self.bn)
        new.select.choose(self.select.chosen(self.bn.num_features)[keep[-1]])
        copy_linear(new.fc, self.fc, keep[-1])
        return new

    def thinet_targets(self) -> List[Target]:
        """Return the outputs of each block's first two convolutions, which end inside the block."""
        return [
            target
            for place, block in enumerate(self.blocks)
            for target in (
                Target(3 * place + 1, block.conv1, block.bn2, block.conv2),
                Target(3 * place + 2, block.conv2, block.bn3, block.conv3),
            )
        ]


class PreResNet11(PreResNet):
    """One bottleneck a stage: for tests and first steps."""


class PreResNet101(PreResNet):
    """The Early-Bird paper's for CIFAR: 100 norms, 7408 ranked channels, 154 061 312 MACs."""

    depth = 101


class PreResNet164(PreResNet):
    """Network slimming's own residual network for CIFAR."""

    depth = 164
