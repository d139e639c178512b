"""The length, rate and batch of a training."""

from typing import Any, Dict, NamedTuple, Optional, Tuple


class Schedule(NamedTuple):
    """SGD with a step schedule; the defaults are those of the Early-Bird paper's Table 2 on CIFAR.

    `milestones` are 0-based epochs at whose start the rate is multiplied by `gamma`; `weight_decay`
    acts on all parameters.
    """

    epochs: int = 160
    milestones: Tuple[int, ...] = (80, 120)
    gamma: float = 0.1
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    batch: int = 256

    def lr_at(self, epoch: int) -> float:
        """Return the learning rate of a 0-based epoch.

        >>> [round(Schedule().lr_at(epoch), 9) for epoch in (0, 79, 80, 119, 120, 159)]
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
        """
        return self.lr * self.gamma ** sum(epoch >= milestone for milestone in self.milestones)

    def sgd(self) -> Dict[str, Any]:
        """Return the options of torch's SGD."""
        return {"lr": self.lr, "momentum": self.momentum, "weight_decay": self.weight_decay}


def smallest_part(images: int, batch: int, micro_batch: Optional[int] = None) -> int:
    """Return the images of the smallest part of an epoch, in batches and their micro-batches.

    >>> smallest_part(1442, 256), smallest_part(1442, 131), smallest_part(512, 256, 5)
    (162, 1, 1)
    """
    sizes = {min(batch, images), images % batch or min(batch, images)}
    if micro_batch:
        sizes = {
            size % micro_batch or micro_batch if size > micro_batch else size for size in sizes
        }
    return min(sizes)
