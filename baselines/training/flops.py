"""Count the operations of a network: exact, and as the Early-Bird authors counted them."""

from typing import Any, Dict, NamedTuple, Tuple

from torch import nn

from joulebird.baselines.models.base import MapAverage, calls
from joulebird.harness.core.errors import SpecError


class Count(NamedTuple):
    """Operations of one forward pass of one image."""

    conv_macs: int
    linear_macs: int
    bias_adds: int
    norm_elements: int
    relu_elements: int
    pool_operations: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers: the exact, primary count."""
        return self.conv_macs + self.linear_macs

    @property
    def forward_flops(self) -> int:
        """The authors' counter.

        2 a MAC, 1 a bias, 2 an element normalised, 1 an element rectified, k * k an element pooled
        by a module. Like theirs it leaves out functional pooling, residual additions and channel
        selection.
        """
        return (
            2 * self.macs
            + self.bias_adds
            + 2 * self.norm_elements
            + self.relu_elements
            + self.pool_operations
        )


_COUNTED = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, MapAverage, nn.MaxPool2d, nn.AvgPool2d)


def count(model: nn.Module, shape: Tuple[int, int, int] = (3, 32, 32)) -> Count:
    """Count one forward pass of one image of `shape` (channels, height, width)."""
    totals: Dict[str, int] = dict.fromkeys(Count._fields, 0)
    for layer, before, after in calls(model, shape, *_COUNTED):
        if isinstance(layer, nn.Conv2d):
            totals["conv_macs"] += layer.weight[0].numel() * after.numel()
            totals["bias_adds"] += 0 if layer.bias is None else after.numel()
        elif isinstance(layer, nn.Linear):
            totals["linear_macs"] += layer.weight.numel()
            totals["bias_adds"] += 0 if layer.bias is None else layer.bias.numel()
        elif isinstance(layer, nn.BatchNorm2d):
            totals["norm_elements"] += before.numel()
        elif isinstance(layer, nn.ReLU):
            totals["relu_elements"] += before.numel()
        elif isinstance(layer, MapAverage):
            totals["pool_operations"] += before.numel()
        else:
            size = layer.kernel_size
            height, width = size if isinstance(size, tuple) else (size, size)
            totals["pool_operations"] += height * width * after.numel()
    return Count(**totals)


def task_count(task: Any, model: nn.Module, shape: Tuple[int, int, int]) -> Count:
    """Count a network of `task`; raises SpecError when it cannot take the data set's images."""
    try:
        return count(model, shape)
    except RuntimeError as error:
        size = " x ".join(str(length) for length in shape)
        raise SpecError(
            f"{task.model} cannot take the {size} images of {task.dataset}: "
            f"{str(error).splitlines()[0]}",
            "choose a model for images of this size",
        ) from error
