"""Write results so that a crash leaves the old file or the new one; read them without running code from them."""

import io
import os
import pickle
import re
import types
import zipfile
from typing import Any

import torch

from joulebird.harness.core.errors import SpecError


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

    Nothing in the file is executed. Raises SpecError when the file is missing, damaged (the data of a zip file, what torch.save writes
    today, is under checksums; the older format has none, so that a changed number in it goes unseen), or holds anything else.
    """
    path = str(path)
    try:
        with open(path, "rb") as file:
            content = io.BytesIO(file.read())
    except FileNotFoundError as error:
        raise SpecError(f"there is no {path}", "check the path") from error
    except OSError as error:
        raise SpecError(
            f"{path} cannot be read: {error.strerror or error}",
            "check the path and its permissions",
        ) from error
    try:
        _check_zip(content)
        return _load(content, device)
    except Exception as error:  # whatever a decoder meets in a damaged file is the file's fault
        raise SpecError(
            f"{path} cannot be read: {_why(error)}",
            "it must be a torch.save file, complete, of tensors and plain values; fetch or make it again",
        ) from error


class _Refused(pickle.UnpicklingError):
    """What we say ourselves of a file, fit for a user to read."""


def _why(error: Exception) -> str:
    """In our own words: torch's advise to load such a file in the way that runs its code."""
    if isinstance(error, _Refused):
        return re.sub("[^ -~]", "?", str(error))  # a damaged name may hold anything
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    return (
        f"it names {named.group(1)}, which is not data"
        if named
        else f"it is damaged, or another kind of file ({type(error).__name__})"
    )


def _load(file: io.BytesIO, device: str) -> Any:
    if "weights_only" in torch.load.__code__.co_varnames:
        return torch.load(file, map_location=device, weights_only=True)
    return torch.load(file, map_location=device, pickle_module=_restricted_pickle())


def _check_zip(file: io.BytesIO) -> None:
    """Refuse a zip file of other than data, or whose checksums do not hold; torch looks at none of them."""
    if file.getvalue()[:4] == b"PK\3\4" or zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                raise _Refused("it is a TorchScript program, not data")
            # the mark of a folder makes torch 1.10 leave the numbers out, and no checksum is over it
            damaged = archive.testzip() or next(
                (one.filename for one in archive.infolist() if one.external_attr & 0x10), None
            )
        if damaged:
            raise _Refused(f"{damaged} in it is damaged")
    file.seek(0)


# Old torch has no weights_only: these, and the storages, are what a file of tensors and plain values may name.
_ALLOWED = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch.nn.parameter", "Parameter"),
    ("builtins", "set"),
    ("builtins", "bytearray"),
    ("_codecs", "encode"),
}


class _DataUnpickler(
    pickle._Unpickler
):  # in Python: the one in C takes as much memory as a damaged number asks for
    def find_class(self, module: str, name: str) -> Any:
        storage = module == "torch" and name.endswith("Storage")
        if (
            storage
            or (module, name) in _ALLOWED
            or (module == "torch" and isinstance(getattr(torch, name, None), torch.dtype))
        ):
            return super().find_class(module, name)
        raise _Refused(f"it names {module}.{name}, which is not data")


def _restricted_pickle() -> types.ModuleType:
    """A stand-in for the pickle module that knows data only, for the torch.load of torch 1.10."""
    module = types.ModuleType("restricted_pickle")
    module.Unpickler = _DataUnpickler  # type: ignore[attr-defined]
    module.load = lambda file, **options: _DataUnpickler(file, **options).load()  # type: ignore[attr-defined]
    module.loads = lambda data, **options: _DataUnpickler(io.BytesIO(data), **options).load()  # type: ignore[attr-defined]
    module.UnpicklingError = pickle.UnpicklingError  # type: ignore[attr-defined]
    return module
