"""Import torchvision only when it is needed, and even beside a torch it was not built for."""

import importlib
import sys
from types import ModuleType
from typing import Any, List

from joulebird.harness.core.errors import SpecError

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
    import torch

    name = message.split(start, 1)[1].split(end, 1)[0]
    library: Any = torch.library.Library("torchvision", "FRAGMENT")
    library.define(name + "(Tensor x) -> Tensor")
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == "torchvision"]:
        del sys.modules[loaded]
    return library
