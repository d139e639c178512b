"""Open a power log, whatever it lies in, as a file that can be read again from any place.

A pipe is read once, and a packed log is unpacked, into a file in the system's temporary folder that
vanishes when it is closed.
"""

import bz2
import gzip
import importlib
import lzma
import os
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from typing import IO, Any, cast

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.files import refuse_endless

_BROKEN = (  # RuntimeError: a member of a zip has a password, or is packed otherwise
    EOFError,
    RuntimeError,
    lzma.LZMAError,
    zlib.error,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
)
_ZSTD = "compression.zstd", "zstandard", "pyzstd"  # of Python 3.14, or a library


def is_log(path: str) -> bool:
    """Return whether a path may be a log: `-`, or anything that is there and no folder."""
    return path == "-" or (os.path.exists(path) and not os.path.isdir(path))


def open_log(path: str) -> IO[bytes]:
    """Open a log: a file, a pipe, `-` for the standard input, or one packed with a known packer.

    gzip, xz, bzip2, zstd, and zip with one member are known by their first bytes. Raises
    HarnessError where it cannot be read or unpacked.
    """
    try:
        file = cast(IO[bytes], sys.stdin.buffer if path == "-" else open(path, "rb"))  # noqa: SIM115
        refuse_endless(file)
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file = _copied(file)
        return _unpacked(path, file)
    except _BROKEN as error:
        raise HarnessError(
            f"{path}: cannot be unpacked ({error})", "copy it again from where it was packed"
        ) from None
    except OSError as error:
        raise HarnessError(
            f"{path}: cannot be read ({error.strerror or error})",
            "check the name and the permissions of the file",
        ) from None


def _copied(file: IO[bytes]) -> IO[bytes]:
    """Return a temporary file with all that a file gives."""
    with file:
        copy = cast(IO[bytes], tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
        shutil.copyfileobj(file, copy, 1 << 20)
    copy.seek(0)
    return copy


def _unpacked(path: str, file: IO[bytes]) -> IO[bytes]:
    """Return the log in a file: that file itself if it is not packed."""
    begin = file.read(6)
    file.seek(0)
    for magic, unpack in _PACKED.items():
        if begin.startswith(magic):
            return _copied(unpack(path, file))
    return file


def _zip(path: str, file: IO[bytes]) -> IO[bytes]:
    archive = zipfile.ZipFile(file)
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if len(names) != 1:
        raise HarnessError(
            f"{path}: holds {len(names)} files: {', '.join(names[:5])}",
            "take the log out of it: unzip FILE NAME",
        )
    return archive.open(names[0])


def _zstd(path: str, file: IO[bytes]) -> IO[bytes]:
    for name in _ZSTD:
        try:
            library: Any = importlib.import_module(name)
        except ImportError:
            continue
        return cast(IO[bytes], library.open(file, "rb"))
    raise HarnessError(
        f"{path}: is packed with zstd, which this Python does not read", "zstd -d it"
    )


_PACKED: dict[bytes, Any] = {
    b"\x1f\x8b": lambda _, file: gzip.GzipFile(fileobj=file),
    b"\xfd7zXZ\0": lambda _, file: lzma.LZMAFile(file),  # noqa: SIM115
    b"BZh": lambda _, file: bz2.BZ2File(file),
    b"PK\x03\x04": _zip,
    b"\x28\xb5\x2f\xfd": _zstd,
}
