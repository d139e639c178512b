"""Where a result goes: stdout, or the file named with -o (written whole or not at all)."""

import argparse
import json
import os
import sys
from typing import Any

from joulebird.harness.core.errors import HarnessError


def add_output(parser: argparse.ArgumentParser, with_json: bool = True) -> None:
    """Add -o FILE and --json to a verb that gives a result."""
    if with_json:
        parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-", help="write to FILE instead (- is stdout)"
    )


def put(text: str, path: str = "-") -> None:
    """Write a result text to stdout ("-") or to a file. Raises HarnessError when it cannot be written."""
    text = text if text.endswith("\n") else text + "\n"
    if path != "-":
        put_bytes(text.encode("utf-8"), path)
        return
    try:
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:  # a terminal without the times sign gets a question mark
            sys.stdout.write(
                text.encode(sys.stdout.encoding, "replace").decode(sys.stdout.encoding)
            )
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # what Python still flushes at exit must not complain again
        raise HarnessError(
            f"stdout: cannot be written ({error.strerror})", "write to a file elsewhere: -o FILE"
        ) from None


def put_bytes(data: bytes, path: str) -> None:
    """Write a file whole or not at all; a link's target, and a device or pipe as it is. Raises HarnessError when it cannot be written."""
    target = os.path.realpath(path)
    whole = os.path.isfile(target) or not os.path.exists(target)
    part = "%s.part-%d" % (target, os.getpid()) if whole else target
    try:
        with open(part, "wb") as file:
            file.write(data)
        if whole:
            os.replace(part, target)
    except OSError as error:
        if whole and os.path.exists(part):
            os.remove(part)
        raise HarnessError(
            f"{path}: cannot be written ({error.strerror})",
            "name a file in a folder that is there",
        ) from None


def as_json(data: Any) -> str:
    """A result as JSON text, its keys sorted, with a format version."""
    return json.dumps(
        dict(data, format=data.get("format", 1)), indent=1, sort_keys=True, allow_nan=False
    )
