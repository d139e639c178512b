"""ImageNet, or any data set of its layout: JPEG files in FOLDER/train/CLASS and FOLDER/val/CLASS.

They do not fit into memory, so worker processes decode, crop, flip and scale them to bytes;
normalisation runs on the training device. Random numbers are drawn in advance from the epoch's
generator.
"""

import os
from functools import partial
from typing import Any, Iterator, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from joulebird.baselines.data.images import Files, stacked
from joulebird.baselines.data.tensors import DataSet, normalise
from joulebird.baselines.data.vision import image_folder
from joulebird.harness.core.errors import SpecError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


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
