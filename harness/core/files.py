"""Name files; write those that appear whole or not at all, even after a power cut."""

import contextlib
import json
import os
import re
import stat
from typing import IO, Any, Dict, Iterator, Union

from joulebird.harness.core.errors import HarnessError


@contextlib.contextmanager
def replacing(path: str, sync: bool = True) -> Iterator[str]:
    """Yield the name of a partial file to write; rename it to `path` at the end.

    An error removes it. With `sync`, content and name are on the disk before this returns.
    """
    partial = f"{path}.part-{os.getpid()}"
    try:
        yield partial
        if sync:
            sync_file(partial)
        os.replace(partial, path)
    except BaseException:
        remove(partial)
        raise
    if sync:
        # not every file system can sync the names in a folder
        with contextlib.suppress(OSError):
            sync_file(os.path.dirname(path) or ".")


def write_whole(path: str, content: Union[str, bytes], sync: bool = True) -> None:
    """Write a text (UTF-8) or bytes so that the file appears whole or not at all."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path, sync) as partial, open(partial, "wb") as file:
        file.write(data)


def write_json(path: str, data: Dict[str, Any], sync: bool = True) -> None:
    """Write an object as JSON, whole or not at all. Raises ValueError for NaN and infinity."""
    write_whole(path, json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n", sync)


@contextlib.contextmanager
def opened(path: str, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Yield a descriptor of a file and close it at the end."""
    handle = os.open(path, flags, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)


def refuse_endless(file: IO[bytes]) -> None:
    """Raise HarnessError for a device that is no terminal: reading it may never end."""
    if stat.S_ISCHR(os.fstat(file.fileno()).st_mode) and not file.isatty():
        raise HarnessError(f"{file.name}: is a device, not a file", "name a file or a pipe")


def sync_file(path: str) -> None:
    """Bring the content of a file to the disk."""
    with opened(path) as handle:
        os.fsync(handle)


def remove(path: str) -> None:
    """Remove a file if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def slug(name: str) -> str:
    """Return a name that is safe in a file name.

    >>> slug("mylab.methods:Fluke")
    'mylab-methods-Fluke'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
