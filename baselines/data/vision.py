"""Data sets by torchvision: imported late, and even beside a torch it was not built for."""

import importlib
import os
import sys
from functools import partial
from types import ModuleType
from typing import Any, List, Optional

import torch

from joulebird.baselines.data.tensors import DataSet, TensorData, on_device
from joulebird.harness.core.errors import SpecError

CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2023, 0.1994, 0.2010)
_REMEDY = "install the torchvision that belongs to the torch you have"


def import_torchvision() -> ModuleType:
    """Return torchvision, with its `datasets`. Raises SpecError if it cannot be imported.

    A torchvision built for CUDA refuses to be imported beside a CPU torch, because its compiled
    operators are missing. A data set needs none of them, so each missing one is declared, without
    an implementation, and the import is tried again.
    """
    libraries: List[object] = []
    while True:
        try:
            module = importlib.import_module("torchvision")
            importlib.import_module("torchvision.datasets")
        except ImportError as error:
            raise SpecError(f"torchvision cannot be imported: {error}", _REMEDY) from error
        except RuntimeError as error:
            libraries.append(_declare(str(error), len(libraries)))
        else:
            # a declaration lasts as long as its library object
            module.__dict__.setdefault("_declared_operators", []).extend(libraries)
            return module


def _declare(message: str, tried: int) -> object:
    """Declare the operator that `message` misses and forget the half-imported modules."""
    start, end = "operator torchvision::", " does not exist"
    if start not in message or end not in message or tried > 20:
        raise SpecError(f"torchvision cannot be imported: {message}", _REMEDY)
    name = message.split(start, 1)[1].split(end, 1)[0]
    library: Any = torch.library.Library("torchvision", "FRAGMENT")
    library.define(name + "(Tensor x) -> Tensor")
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == "torchvision"]:
        del sys.modules[loaded]
    return library


def load_cifar(
    name: str,
    classes: int,
    folder: Optional[str] = None,
    device: str = "cpu",
    download: bool = False,
) -> TensorData:
    """Return CIFAR from `folder` (torchvision's layout). Raises SpecError if it is missing."""
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
        tensors.append(on_device(part.data.transpose(0, 3, 1, 2), device))
        tensors.append(torch.tensor(part.targets).to(device))
    images, labels, test_images, test_labels = tensors
    return TensorData(images, labels, test_images, test_labels, classes, CIFAR_MEAN, CIFAR_STD)


def image_folder(folder: str, part: str, classes: int) -> Any:
    """Return one part as torchvision's ImageFolder, with `samples` (path, class) and `classes`."""
    path = os.path.join(folder, part)
    try:
        images = import_torchvision().datasets.ImageFolder(path)
    except (OSError, RuntimeError) as error:
        raise SpecError(
            f"{path} holds no images: {str(error).splitlines()[0]}",
            "it must hold a folder of images for each class",
        ) from error
    if len(images.classes) != classes:
        raise SpecError(
            f"{path} holds {len(images.classes)} classes, {classes} were expected",
            "name the data set that is in the folder",
        )
    return images


CIFAR10 = DataSet(10, (3, 32, 32), 50000, 10000, partial(load_cifar, "CIFAR10", 10))
CIFAR100 = DataSet(100, (3, 32, 32), 50000, 10000, partial(load_cifar, "CIFAR100", 100))
