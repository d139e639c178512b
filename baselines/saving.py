"""Write results so that a crash leaves the old file or the new one; read them without running code from them."""

import io
import os
import pickle
import types
import zipfile
from typing import Any

import torch

from baselines.errors import SpecError


def save(path: str, value: Any) -> None:
    """Write tensors and plain values to `path` in one step: it is there completely and on disk, or not at all."""
    path = str(path)
    partial = path + ".part"
    with open(partial, "wb") as file:
        torch.save(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(path: str, device: str = "cpu") -> Any:
    """What `save`, or any program that uses torch.save, wrote: tensors and plain values only.

    Nothing in the file is executed. Raises SpecError when the file is missing, damaged, or holds anything else.
    """
    path = str(path)
    try:
        with open(path, "rb") as file:
            return _load(io.BytesIO(file.read()), device)
    except FileNotFoundError as error:
        raise SpecError(f"there is no {path}", "check the path") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, zipfile.BadZipFile, ValueError, KeyError, OSError, AttributeError) as error:
        raise SpecError(
            f"{path} cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            "it must be a torch.save file, complete, of tensors and plain values; fetch or make it again",
        ) from error


def _load(file: io.BytesIO, device: str) -> Any:
    if _is_script(file):
        raise pickle.UnpicklingError("it is a TorchScript program, not data")
    if "weights_only" in torch.load.__code__.co_varnames:
        return torch.load(file, map_location=device, weights_only=True)
    return torch.load(file, map_location=device, pickle_module=_restricted_pickle())


def _is_script(file: io.BytesIO) -> bool:
    found = zipfile.is_zipfile(file)
    if found:
        file.seek(0)
        found = any(name.endswith("constants.pkl") for name in zipfile.ZipFile(file).namelist())
    file.seek(0)
    return found


# Old torch has no weights_only: these, and the storages, are what a file of tensors and plain values may name.
_ALLOWED = {
    ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"), ("torch", "Size"), ("torch", "device"), ("torch.nn.parameter", "Parameter"),
    ("builtins", "set"), ("builtins", "bytearray"), ("_codecs", "encode"),
}


class _DataUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        storage = module == "torch" and name.endswith("Storage")
        if storage or (module, name) in _ALLOWED or (module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is not data")


def _restricted_pickle() -> types.ModuleType:
    """A stand-in for the pickle module that knows data only, for the torch.load of torch 1.10."""
    module = types.ModuleType("restricted_pickle")
    module.Unpickler = _DataUnpickler  # type: ignore[attr-defined]
    module.load = lambda file, **options: _DataUnpickler(file, **options).load()  # type: ignore[attr-defined]
    module.loads = lambda data, **options: _DataUnpickler(io.BytesIO(data), **options).load()  # type: ignore[attr-defined]
    module.UnpicklingError = pickle.UnpicklingError  # type: ignore[attr-defined]
    return module
