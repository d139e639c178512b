"""Write results whole or not at all; read them without running code from them."""

import io
import pickle
import re
import types
import zipfile
from typing import Any

import torch

from joulebird.harness.core.errors import SpecError
from joulebird.harness.core.files import write_whole


def save(path: str, value: Any) -> None:
    """Write tensors and plain values to a file that appears whole or not at all."""
    content = io.BytesIO()  # torch words a fault of the disk as a RuntimeError of its own
    torch.save(value, content)
    write_whole(str(path), content.getbuffer())


def load(path: str, device: str = "cpu") -> Any:
    """Return the tensors and plain values of a file of `save` or `torch.save`.

    Nothing in the file is executed. Raises SpecError if the file is missing, damaged or holds
    anything else. Checksums protect the data of today's format, a zip file; in the older one a
    changed number goes unseen.
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
        if "weights_only" in torch.load.__code__.co_varnames:
            return torch.load(content, map_location=device, weights_only=True)
        return torch.load(content, map_location=device, pickle_module=_restricted_pickle())
    except Exception as error:  # a decoder of a damaged file may raise anything
        raise SpecError(
            f"{path} cannot be read: {_why(error)}",
            "it must be a complete torch.save file of tensors and plain values; "
            "fetch or make it again",
        ) from error


class _Refused(pickle.UnpicklingError):
    """A reason of ours to refuse a file, fit for a user to read."""


def _why(error: Exception) -> str:
    """Return the reason; torch's own text advises a load that runs the file's code."""
    if isinstance(error, _Refused):
        return re.sub("[^ -~]", "?", str(error))  # a damaged name may hold anything
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    damaged = f"it is damaged, or another kind of file ({type(error).__name__})"
    return f"it names {named.group(1)}, which is not data" if named else damaged


def _check_zip(file: io.BytesIO) -> None:
    """Refuse a zip file of other than data, or with a wrong checksum; torch checks neither."""
    if file.getvalue()[:4] == b"PK\3\4" or zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                raise _Refused("it is a TorchScript program, not data")
            # torch 1.10 skips the numbers of an entry marked as a folder, and no checksum covers it
            folders = [info.filename for info in archive.infolist() if info.external_attr & 0x10]
            damaged = archive.testzip() or "".join(folders[:1])
        if damaged:
            raise _Refused(f"{damaged} in it is damaged")
    file.seek(0)


# Beside storages, the names in a file of tensors and plain values; for torch without weights_only.
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


# the Python class, since the one in C allocates as much memory as a damaged number asks for
class _DataUnpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return a class of data; refuse everything else."""
        in_torch = getattr(torch, name, None) if module == "torch" else None
        storage = module == "torch" and name.endswith("Storage")
        if storage or (module, name) in _ALLOWED or isinstance(in_torch, torch.dtype):
            return super().find_class(module, name)
        raise _Refused(f"it names {module}.{name}, which is not data")


def _restricted_pickle() -> types.ModuleType:
    """Return a stand-in for the pickle module that knows data only, for the load of torch 1.10."""
    module: Any = types.ModuleType("restricted_pickle")
    module.Unpickler = _DataUnpickler
    module.load = lambda file, **options: _DataUnpickler(file, **options).load()
    module.loads = lambda data, **options: _DataUnpickler(io.BytesIO(data), **options).load()
    module.UnpicklingError = pickle.UnpicklingError
    return module
