"""Data sets as tensors on the training device, where they are cropped, flipped and normalised."""

from typing import Any, Callable, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy
import torch
from torch import Tensor, nn


class TensorData(NamedTuple):
    """Images (n, channels, height, width) of bytes and labels (n,), train and test, on one device.

    `mean`, `std`: per channel, of pixel values from 0 to 1. `pad`: the largest number of zero
    pixels by which a random crop reaches beyond the edge.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int
    mean: Tuple[float, ...]
    std: Tuple[float, ...]
    pad: int = 4
    flip: bool = True

    @property
    def shape(self) -> Tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width

    def train_batches(
        self, batch: int, generator: torch.Generator
    ) -> Iterator[Tuple[Tensor, Tensor]]:
        """Yield one epoch in random order: augmented, normalised images and their labels.

        All random numbers are drawn from `generator` (a CPU one) before the first batch and sent to
        the device in one piece, so that the epoch is the same on every device and no batch waits.
        """
        count, device = len(self.train_labels), self.train_images.device
        order = torch.randperm(count, generator=generator)
        offsets = torch.randint(0, 2 * self.pad + 1, (2, count), generator=generator)
        coins = torch.randint(0, 2, (count if self.flip else 0,), generator=generator)
        flips = coins.numpy().nonzero()[0]
        sizes = numpy.bincount(flips // batch, minlength=-(-count // batch)).tolist()
        # by batch, the places in it
        mirrored = torch.from_numpy(flips % batch).to(device, non_blocking=True).split(sizes)
        plan = torch.cat([order[None], offsets]).to(device, non_blocking=True)
        windows, affine = self._windows(), _affine(self.mean, self.std, device)
        for start, places in zip(range(0, count, batch), mirrored):
            index, down, right = plan[:, start : start + batch]
            images = windows[index, :, down, right]
            if len(places):
                images[places] = images.index_select(0, places).flip(3)
            yield _scaled(images, affine), self.train_labels[index]

    def test_batches(self, batch: int) -> Iterator[Tuple[Tensor, Tensor]]:
        """Yield the test images, normalised, and their labels, in order."""
        affine = _affine(self.mean, self.std, self.test_images.device)
        for start in range(0, len(self.test_labels), batch):
            part = slice(start, start + batch)
            yield _scaled(self.test_images[part], affine), self.test_labels[part]

    def plain_batches(
        self, batch: int, count: Optional[int] = None, order: Optional[Tensor] = None
    ) -> Iterator[Tuple[Tensor, Tensor]]:
        """Yield the first `count` training images (of `order`), not augmented, and their labels."""
        order = torch.arange(len(self.train_labels)) if order is None else order
        order = order[:count].to(self.train_images.device)
        for start in range(0, len(order), batch):
            index = order[start : start + batch]
            yield self.normalise(self.train_images[index]), self.train_labels[index]

    def normalise(self, images: Tensor) -> Tensor:
        """Return bytes as floats of zero mean and unit deviation."""
        return normalise(images, self.mean, self.std)

    def _windows(self) -> Tensor:
        """Return a view of every crop: (n, channels, 2 pad + 1, 2 pad + 1, height, width)."""
        padded = nn.functional.pad(self.train_images, [self.pad] * 4)
        return padded.unfold(2, self.shape[1], 1).unfold(3, self.shape[2], 1)


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return bytes (n, channels, height, width) as floats: (pixel / 255 - mean) / std."""
    return _scaled(images, _affine(mean, std, images.device))


def _affine(
    mean: Sequence[float], std: Sequence[float], device: torch.device
) -> Tuple[Tensor, Tensor]:
    means = torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1)
    deviations = torch.tensor(std, dtype=torch.float32).view(-1, 1, 1)
    factors, shifts = 1.0 / (255.0 * deviations), -means / deviations
    return factors.to(device, non_blocking=True), shifts.to(device, non_blocking=True)


def _scaled(images: Tensor, affine: Tuple[Tensor, Tensor]) -> Tensor:
    floats = torch.empty_like(images, dtype=torch.float32).copy_(images)  # nobody else's: in place
    return floats.mul_(affine[0]).add_(affine[1])


class DataSet(NamedTuple):
    """The facts of a data set before it is loaded; `load(folder, device)` gives its TensorData."""

    classes: int
    shape: Tuple[int, int, int]
    train_images: int
    test_images: int
    load: Callable[..., Any]  # TensorData, or a class with the same methods


def on_device(values: numpy.ndarray, device: str) -> Tensor:
    """Return an array as a tensor on the training device."""
    return torch.from_numpy(numpy.ascontiguousarray(values)).to(device)
