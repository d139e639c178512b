"""Data sets as tensors on the training device, where they are cropped, flipped and normalised."""

import gzip
import io
import pkgutil
from typing import Any, Callable, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy
import torch
from torch import Tensor, nn

from joulebird.harness.core.errors import SpecError

CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2023, 0.1994, 0.2010)


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


def load_digits(folder: Optional[str] = None, device: str = "cpu") -> TensorData:
    """Return the 1797 handwritten digits of the UCI optical recognition set, as 3 x 32 x 32 pixels.

    They come with the package (`digits.csv.gz`, with its source and licence beside it), so `folder`
    is ignored. Of every class, each fifth image in the file's order is a test image. A mirrored
    digit is no digit: no flips; and crops reach 2 pixels beyond the edge, half a pixel of the
    original.
    """
    packed = pkgutil.get_data("joulebird.baselines.data", "digits.csv.gz") or b""
    table = numpy.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",", dtype=numpy.uint8)
    pixels, labels = table[:, :64].reshape(-1, 1, 8, 8), table[:, 64].astype(numpy.int64)
    pixels = (pixels.astype(numpy.float32) * (255.0 / 16.0)).round().astype(numpy.uint8)
    images = numpy.repeat(pixels.repeat(4, axis=2).repeat(4, axis=3), 3, axis=1)
    test = numpy.zeros(len(labels), dtype=bool)
    for digit in range(10):
        test[numpy.flatnonzero(labels == digit)[4::5]] = True
    return TensorData(
        _tensor(images[~test], device),
        _tensor(labels[~test], device),
        _tensor(images[test], device),
        _tensor(labels[test], device),
        classes=10,
        mean=(0.3052,) * 3,
        std=(0.3760,) * 3,
        pad=2,
        flip=False,
    )


def _tensor(values: Any, device: str) -> Tensor:
    return torch.from_numpy(numpy.ascontiguousarray(values)).to(device)


def load_cifar10(
    folder: Optional[str] = None, device: str = "cpu", download: bool = False
) -> TensorData:
    """Return CIFAR-10 from `folder` (torchvision's layout). Raises SpecError if it is missing."""
    return _cifar("CIFAR10", 10, folder, device, download)


def load_cifar100(
    folder: Optional[str] = None, device: str = "cpu", download: bool = False
) -> TensorData:
    """Return CIFAR-100 from `folder` (torchvision's layout). Raises SpecError if it is missing."""
    return _cifar("CIFAR100", 100, folder, device, download)


def _cifar(
    name: str, classes: int, folder: Optional[str], device: str, download: bool
) -> TensorData:
    from joulebird.baselines.data.vision import import_torchvision

    if folder is None:
        raise SpecError(
            f"{name} needs a folder", "name it with --data-dir DIR (data_dir in a spec)"
        )
    load = getattr(import_torchvision().datasets, name)
    try:
        parts = [load(folder, train=train, download=download) for train in (True, False)]
    except (RuntimeError, OSError) as error:
        raise SpecError(
            f"{name} is not in {folder}: {str(error).splitlines()[0]}",
            "name the folder that holds it, or let it be downloaded",
        ) from error
    tensors = []
    for part in parts:
        if len(part.classes) != classes or max(part.targets) >= classes:
            raise SpecError(
                f"{folder} holds {len(part.classes)} classes, {name} has {classes}",
                "name the data set that is in the folder",
            )
        tensors.append(_tensor(part.data.transpose(0, 3, 1, 2), device))
        tensors.append(torch.tensor(part.targets).to(device))
    images, labels, test_images, test_labels = tensors
    return TensorData(images, labels, test_images, test_labels, classes, CIFAR_MEAN, CIFAR_STD)


DIGITS = DataSet(10, (3, 32, 32), 1442, 355, load_digits)
CIFAR10 = DataSet(10, (3, 32, 32), 50000, 10000, load_cifar10)
CIFAR100 = DataSet(100, (3, 32, 32), 50000, 10000, load_cifar100)
