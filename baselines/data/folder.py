"""ImageNet, or any data set of its layout: JPEG files in FOLDER/train/CLASS and FOLDER/val/CLASS.

They do not fit into memory, so worker processes decode, crop, flip and scale them to bytes;
normalisation runs on the training device. Random numbers are drawn in advance from the epoch's
generator.
"""

import math
import os
from functools import partial
from typing import Any, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from joulebird.baselines.data.tensors import DataSet, normalise
from joulebird.baselines.data.vision import image_folder
from joulebird.harness.core.errors import SpecError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_BILINEAR = 2  # PIL.Image.BILINEAR, in every version


class Files(Dataset):
    """Decoded images (3, size, size) of bytes: middles or, with `seeds`, random parts."""

    def __init__(
        self, paths: List[str], order: Tensor, size: int, seeds: Optional[Tensor] = None
    ) -> None:
        self.paths, self.order, self.size, self.seeds = paths, order, size, seeds

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> Any:
        """Return the image, or its SpecError: a raised one would arrive as a worker's traceback."""
        try:
            image = _decode(self.paths[int(self.order[place])])
        except SpecError as error:
            return error
        if self.seeds is None:
            return _bytes(middle(image, self.size))
        random = torch.Generator().manual_seed(int(self.seeds[place]))
        left, top, width, height = random_box(image.size, random)
        part = image.crop((left, top, left + width, top + height))
        pixels = _bytes(part.resize((self.size, self.size), _BILINEAR))
        return pixels.flip(2) if torch.rand((), generator=random) < 0.5 else pixels


def _decode(path: str) -> Any:
    from PIL import Image

    try:
        with Image.open(path) as file:
            return file.convert("RGB")
    except Exception as error:  # a decoder of a damaged file may raise anything
        lines = str(error).replace(repr(path), "").splitlines() or [type(error).__name__]
        raise SpecError(
            f"{path} cannot be decoded: {lines[0].strip()}", "replace or remove the file"
        ) from error


def _bytes(image: Any) -> Tensor:
    return torch.from_numpy(numpy.array(image).transpose(2, 0, 1).copy())


def middle(image: Any, size: int) -> Any:
    """Return the middle of an image with its shorter side scaled to `size` * 8 / 7."""
    short = size * 8 // 7
    width, height = (int(short * side / min(image.size)) for side in image.size)
    left, top = int(round((width - size) / 2.0)), int(round((height - size) / 2.0))
    image = image.resize((width, height), _BILINEAR)
    return image.crop((left, top, left + size, top + size))


def random_box(shape: Tuple[int, int], random: torch.Generator) -> Tuple[int, int, int, int]:
    """Return left, top, width and height of a random part of an image of `shape` (width, height).

    Its area is 8 % to 100 % of the image's and its sides 3:4 to 4:3; after ten misfits it is the
    largest middle part of such sides.
    """
    width, height = shape
    for _ in range(10):
        share, ratio, across, down = torch.rand(4, generator=random).tolist()
        area = width * height * (0.08 + 0.92 * share)
        aspect = math.exp(math.log(3 / 4) + ratio * math.log(16 / 9))
        wide, high = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
        if 0 < wide <= width and 0 < high <= height:
            return int(across * (width - wide + 1)), int(down * (height - high + 1)), wide, high
    wide, high = min(width, int(round(height * 4 / 3))), min(height, int(round(width * 4 / 3)))
    return (width - wide) // 2, (height - high) // 2, wide, high


def stacked(images: List[Any]) -> Any:
    """Return a batch of images, or the first error among them."""
    errors = [image for image in images if isinstance(image, SpecError)]
    return errors[0] if errors else torch.stack(images)


class FolderData:
    """The interface of `TensorData` for files, decoded a batch at a time by `workers` processes.

    Training crops a random part (8 % to 100 % of the area, sides 3:4 to 4:3), scales it to `size` x
    `size` and flips half of them; testing scales the shorter side to `size` * 8 / 7 and crops the
    middle (He et al. 2016; the Early-Bird scripts).
    """

    def __init__(
        self,
        train: Sequence[Tuple[str, int]],
        test: Sequence[Tuple[str, int]],
        classes: int,
        size: int,
        device: str,
        workers: Optional[int] = None,
    ) -> None:
        self.classes, self.shape, self.device = classes, (3, size, size), device
        self.workers = min(8, os.cpu_count() or 1) if workers is None else workers
        self._train, self._test = [path for path, _ in train], [path for path, _ in test]
        self.train_labels = torch.tensor([label for _, label in train]).to(device)
        self.test_labels = torch.tensor([label for _, label in test]).to(device)

    def train_batches(
        self, batch: int, generator: torch.Generator
    ) -> Iterator[Tuple[Tensor, Tensor]]:
        """Yield one epoch in random order, cropped, flipped and normalised, with labels."""
        order = torch.randperm(len(self._train), generator=generator)
        seeds = torch.randint(0, 2**62, (len(order),), generator=generator)
        files = Files(self._train, order, self.shape[1], seeds)
        return self._batches(files, self.train_labels, batch)

    def test_batches(self, batch: int) -> Iterator[Tuple[Tensor, Tensor]]:
        """Yield the middles of the test images, normalised, and their labels, in order."""
        files = Files(self._test, torch.arange(len(self._test)), self.shape[1])
        return self._batches(files, self.test_labels, batch)

    def plain_batches(
        self, batch: int, count: Optional[int] = None, order: Optional[Tensor] = None
    ) -> Iterator[Tuple[Tensor, Tensor]]:
        """Yield the middles of the first `count` training images (of `order`), and their labels."""
        order = (torch.arange(len(self._train)) if order is None else order.cpu())[:count]
        return self._batches(Files(self._train, order, self.shape[1]), self.train_labels, batch)

    def _batches(self, files: Files, labels: Tensor, batch: int) -> Iterator[Tuple[Tensor, Tensor]]:
        order = files.order.to(labels.device)
        # a generator of its own, else the loader would draw from the global one
        loader: Any = DataLoader(
            files,
            batch_size=batch,
            num_workers=self.workers,
            pin_memory=str(self.device).startswith("cuda"),
            collate_fn=stacked,
            generator=torch.Generator(),
        )
        for place, images in enumerate(loader):
            if isinstance(images, SpecError):
                raise images
            images = images.to(self.device, non_blocking=True)
            index = order[place * batch : place * batch + len(images)]
            yield normalise(images, IMAGENET_MEAN, IMAGENET_STD), labels[index]


def load_folder(
    classes: int,
    size: int,
    folder: Optional[str] = None,
    device: str = "cpu",
    workers: Optional[int] = None,
) -> FolderData:
    """Return the images of a folder of `classes` classes, scaled to `size` x `size`."""
    if folder is None:
        raise SpecError(
            "this data set needs a folder",
            "name one with train/CLASS and val/CLASS: --data-dir DIR (data_dir in a spec)",
        )
    train, test = (image_folder(folder, part, classes) for part in ("train", "val"))
    odd = sorted(set(train.classes) ^ set(test.classes))
    if odd:
        raise SpecError(
            f"{folder} has the class {odd[0]} in only one of train and val",
            "both must hold a folder of each class",
        )
    return FolderData(train.samples, test.samples, classes, size, device, workers)


IMAGENET = DataSet(1000, (3, 224, 224), 1281167, 50000, partial(load_folder, 1000, 224))
