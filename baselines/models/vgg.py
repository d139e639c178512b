"""VGG16 with batch normalisation for 32 x 32 images, by the network-slimming authors."""

from typing import List, Optional, Sequence

from torch import Tensor, nn
from torch.nn import functional

from joulebird.baselines.models.base import (
    Prunable,
    Target,
    check_keep,
    copy_conv,
    copy_linear,
    copy_norm,
    initialise,
    like,
    scaled,
)

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


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
        channels, place = 3, 0
        for number, stage in enumerate(_STAGES):
            for _ in stage:
                width = self.widths[place]
                layers += [
                    nn.Conv2d(channels, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
                channels, place = width, place + 1
            if number < len(_STAGES) - 1:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)
        initialise(self)
        nn.init.normal_(self.classifier.weight, 0.0, 0.01)
        nn.init.zeros_(self.classifier.bias)

    @classmethod
    def dense_widths(cls, width: float = 1.0) -> List[int]:
        """Return the 13 channel counts, times `width`."""
        return [scaled(channels, width) for stage in _STAGES for channels in stage]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = functional.avg_pool2d(self.features(x), 2)
        return self.classifier(x.flatten(1))

    def convs(self) -> List[nn.Conv2d]:
        """Return the 13 convolutions in forward order."""
        return [module for module in self.features if isinstance(module, nn.Conv2d)]

    def cut(self, keep: Sequence[Tensor]) -> "Vgg16":
        """Return the network with the channels `keep`."""
        check_keep(self, keep)
        new = like(self, [len(index) for index in keep])
        for new_norm, norm, kept in zip(new.norms(), self.norms(), keep):
            copy_norm(new_norm, norm, kept)
        into = None
        for new_conv, conv, kept in zip(new.convs(), self.convs(), keep):
            copy_conv(new_conv, conv, kept, into)
            into = kept
        copy_linear(new.classifier, self.classifier, into)
        return new

    def thinet_targets(self) -> List[Target]:
        """Return the outputs of all 13 convolutions."""
        convs = self.convs()
        followers: List[nn.Module] = [*convs[1:], self.classifier]
        layers = zip(convs, self.norms(), followers)
        return [Target(place, *neighbours) for place, neighbours in enumerate(layers)]
