"""Write a result to stdout ("-") or to the file named with -o, whole or not at all."""

import contextlib
import json
import os
import sys
import tempfile
from typing import Any, Dict, Iterator

from joulebird.harness.core.errors import DONE, HarnessError
from joulebird.harness.core.files import write_whole
from joulebird.harness.core.terminal import to_stdout


def answer(args: Any, facts: Dict[str, Any], text: str) -> int:
    """Write a result in the form and to the file that the arguments name; return 0."""
    put(as_json(facts) if args.form == "json" else text, args.output)
    return DONE


def put(text: str, path: str = "-") -> None:
    """Write a text and a line break. Raises HarnessError when it cannot be written."""
    text = text if text.endswith("\n") else text + "\n"
    encoding = sys.stdout.encoding or "utf-8"
    if path == "-":  # a terminal without the times sign gets a question mark
        to_stdout(lambda: sys.stdout.write(text.encode(encoding, "replace").decode(encoding)))
    else:
        put_bytes(text.encode("utf-8"), path)


def put_bytes(data: bytes, path: str) -> None:
    """Write bytes. A link stays and its target is written; a device or pipe is written to.

    Raises HarnessError when it cannot be written.
    """
    if path == "-":
        to_stdout(lambda: sys.stdout.buffer.write(data))
        return
    target = os.path.realpath(path)
    try:
        if os.path.isfile(target) or not os.path.exists(target):
            write_whole(target, data)
        else:
            with open(target, "wb") as file:
                file.write(data)
    except OSError as error:
        raise HarnessError(
            f"{path}: cannot be written ({error.strerror})", "name a file in a folder that exists"
        ) from None


@contextlib.contextmanager
def written(path: str, name: str) -> Iterator[str]:
    """Give a file `name` to write in a temporary folder; at the end its content goes to `path`."""
    folder = os.path.dirname(path) or "."
    if path != "-" and not os.path.isdir(folder):
        raise HarnessError(f"{path}: there is no folder {folder}", "make it, or name another file")
    with tempfile.TemporaryDirectory(prefix="joulebird-") as scratch:
        part = os.path.join(scratch, name)
        yield part
        with open(part, "rb") as file:
            put_bytes(file.read(), path)


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "run"), plural(0, "run")
    ('1 run', '0 runs')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def as_json(data: Any) -> str:
    """Return a result as JSON text with sorted keys and a format version."""
    return json.dumps(
        dict(data, format=data.get("format", 1)), indent=1, sort_keys=True, allow_nan=False
    )
