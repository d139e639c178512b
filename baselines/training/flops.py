"""Count what a network computes: exact multiply-accumulates, and operations as the Early-Bird authors counted them."""

from typing import Any, Dict, List, NamedTuple, Tuple

import torch
from torch import Tensor, nn

from joulebird.baselines.models.base import MapAverage
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
        """The authors' counter: 2 a MAC, 1 a bias, 2 an element normalised, 1 an element rectified, k * k an element pooled by a module.

        Like theirs it leaves out functional pooling, residual additions and channel selection.
        """
        return (
            2 * self.macs
            + self.bias_adds
            + 2 * self.norm_elements
            + self.relu_elements
            + self.pool_operations
        )


def count(model: nn.Module, shape: Tuple[int, int, int] = (3, 32, 32)) -> Count:
    """Count one forward pass of one image of `shape` (channels, height, width). The model is left as it was."""
    totals = dict.fromkeys(Count._fields, 0)  # type: Dict[str, int]
    handles = [
        module.register_forward_hook(_hook(totals))
        for module in model.modules()
        if not list(module.children())
    ]
    training = model.training
    parameter = next(model.parameters())
    try:
        with torch.no_grad():
            model.eval()(
                torch.zeros((1,) + tuple(shape), device=parameter.device, dtype=parameter.dtype)
            )
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return Count(**totals)


def task_count(task: Any, model: nn.Module, shape: Tuple[int, int, int]) -> Count:
    """`count` for a network of `task`. Raises SpecError when it cannot take the images of the task's data set."""
    try:
        return count(model, shape)
    except RuntimeError as error:
        size = " x ".join(str(length) for length in shape)
        raise SpecError(
            f"{task.model} cannot take the {size} images of {task.dataset}: {str(error).splitlines()[0]}",
            "choose a model for images of this size",
        ) from error


def _hook(totals: Dict[str, int]):
    def add(module: nn.Module, inputs: Tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            totals["conv_macs"] += module.weight[0].numel() * output.numel()
            totals["bias_adds"] += 0 if module.bias is None else output.numel()
        elif isinstance(module, nn.Linear):
            totals["linear_macs"] += module.weight.numel()
            totals["bias_adds"] += 0 if module.bias is None else module.bias.numel()
        elif isinstance(module, nn.BatchNorm2d):
            totals["norm_elements"] += inputs[0].numel()
        elif isinstance(module, nn.ReLU):
            totals["relu_elements"] += inputs[0].numel()
        elif isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
            size = (
                module.kernel_size
                if isinstance(module.kernel_size, tuple)
                else (module.kernel_size,) * 2
            )
            totals["pool_operations"] += size[0] * size[1] * output.numel()

        elif isinstance(module, MapAverage):
            totals["pool_operations"] += inputs[0].numel()

    return add


def training_flops(forward_flops: float, images: float) -> float:
    """Operations of training on `images` images: three times the forward pass, two thirds of them backward.

    `forward_flops` is one image's: 2 * macs, or the authors' counter. Test passes, optimiser and masks are not counted (nor in the paper).

    >>> training_flops(2 * 313201664, 160 * 50000) / 5e13  # VGG16, in the paper's unit of 0.05 P: its SNIP row says 302
    300.67359744
    """
    return 3.0 * forward_flops * images


def paper_gflops(forward_flops: float) -> float:
    """Forward GFLOPs rounded to two decimals, as the authors' script prints them and their tables use them.

    >>> paper_gflops(627355658), paper_gflops(313959434)
    (0.63, 0.31)
    """
    return round(forward_flops / 1e9, 2)


def paper_units(phases: List[Tuple[float, float]]) -> float:
    """A cell of the paper's Table 2 (unit 0.05 P) from (forward GFLOPs rounded as printed, epochs) phases on 50 000 images.

    >>> round(paper_units([(0.63, 160)]), 1), round(paper_units([(0.63, 23), (0.51, 137)]), 1)
    (302.4, 253.1)
    """
    return sum(3.0 * gflops * epochs for gflops, epochs in phases)
