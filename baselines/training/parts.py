"""In which portions the images of a step reach the network, and which of them normalisation cannot take."""

from typing import Any, Optional, Tuple

import torch
from torch import nn

from joulebird.harness.core.errors import SpecError


def smallest_part(images: int, batch: int, micro_batch: Optional[int] = None) -> int:
    """Images of the smallest portion when `images` are trained on in batches, each split into micro-batches if asked.

    >>> smallest_part(1442, 256), smallest_part(1442, 131), smallest_part(512, 256, 5), smallest_part(3, 256)
    (162, 1, 1, 3)
    """
    sizes = {min(batch, images), images % batch or min(batch, images)}
    return min(
        size % micro_batch or micro_batch if micro_batch and size > micro_batch else size
        for size in sizes
    )


def check_parts(task: Any, model: nn.Module, shape: Tuple[int, int, int], images: int) -> None:
    """Refuse a batch that would leave a single image to a normalisation of 1 x 1 maps: one number has no deviation."""
    schedule = task.schedule
    if smallest_part(images, schedule.batch, task.micro_batch) > 1 or not _normalises_points(
        model, shape
    ):
        return
    split = f"batch {schedule.batch}" + (
        f" in parts of micro_batch {task.micro_batch}" if task.micro_batch else ""
    )
    raise SpecError(
        f"{split} leaves a single image of {images} over, and {task.model} has 1 x 1 maps, which cannot be normalised then",
        "change batch"
        + (" or micro_batch" if task.micro_batch else "")
        + " so that no part has one image",
    )


def _normalises_points(model: nn.Module, shape: Tuple[int, int, int]) -> bool:
    """Whether a normalisation receives one number a channel of an image. The model is left as it was."""
    found = []

    def look(module: nn.Module, inputs: Any) -> None:
        found.append(inputs[0].shape[2:].numel() == 1)

    handles = [
        module.register_forward_pre_hook(look)
        for module in model.modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros((1,) + tuple(shape), device=next(model.parameters()).device))
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return any(found)
