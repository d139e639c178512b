"""VGG16 with batch normalisation for 32 x 32 images, by the network-slimming authors."""

from typing import List, Optional, Sequence

from torch import Tensor, nn

from joulebird.baselines.models.base import (
    Prunable,
    Target,
    check_keep,
    copy_linear,
    copy_norm,
    copy_weight,
    initialise,
    like,
    scaled,
)

_CHANNELS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
_POOLED = (2, 4, 7, 10)  # the convolutions behind a pool


class Vgg16(Prunable):
    """13 convolutions 3 x 3, each with normalisation and ReLU; 4 pools; 1 linear layer.

    `widths`: the 13 channel counts. Input (n, 3, 32, 32), output (n, classes). 14 724 042
    parameters with 10 classes.
    """

    def __init__(self, classes: int = 10, widths: Optional[Sequence[int]] = None) -> None:
        super().__init__()
        self.classes = classes
        self.widths = [int(width) for width in (widths or self.dense_widths())]
        layers: List[nn.Module] = []
        for place, (into, out) in enumerate(zip([3, *self.widths], self.widths)):
            layers += [nn.MaxPool2d(2)] if place in _POOLED else []
            layers += [
                nn.Conv2d(into, out, 3, padding=1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(inplace=True),
            ]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(self.widths[-1], classes)
        initialise(self)
        nn.init.normal_(self.classifier.weight, 0.0, 0.01)
        nn.init.zeros_(self.classifier.bias)

    @classmethod
    def dense_widths(cls, width: float = 1.0) -> List[int]:
        """Return the 13 channel counts, times `width`."""
        return [scaled(channels, width) for channels in _CHANNELS]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.classifier(nn.functional.avg_pool2d(self.features(x), 2).flatten(1))

    def convs(self) -> List[nn.Conv2d]:
        """Return the 13 convolutions in forward order."""
        return [module for module in self.features if isinstance(module, nn.Conv2d)]

    def cut(self, keep: Sequence[Tensor]) -> "Vgg16":
        """Return the network with the channels `keep`."""
        check_keep(self, keep)
        new = like(self, [len(index) for index in keep])
        for new_norm, norm, kept in zip(new.norms(), self.norms(), keep):
            copy_norm(new_norm, norm, kept)
        for new_conv, conv, into, kept in zip(new.convs(), self.convs(), [None, *keep], keep):
            copy_weight(new_conv, conv, kept, into)
        copy_linear(new.classifier, self.classifier, keep[-1])
        return new

    def thinet_targets(self) -> List[Target]:
        """Return the outputs of all 13 convolutions."""
        convs = self.convs()
        followers: List[nn.Module] = [*convs[1:], self.classifier]
        layers = zip(convs, self.norms(), followers)
        return [Target(place, *neighbours) for place, neighbours in enumerate(layers)]
