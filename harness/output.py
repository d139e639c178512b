"""Where a result goes: stdout, or the file named with -o (written whole or not at all)."""
import argparse
import json
import os
import sys
from typing import Any

from harness.errors import HarnessError


def add_output(parser: argparse.ArgumentParser, with_json: bool = True) -> None:
    """Add -o FILE and --json to a verb that gives a result."""
    if with_json:
        parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="write to FILE instead (- is stdout)")


def put(text: str, path: str = "-") -> None:
    """Write a result text to stdout ("-") or to a file. Raises HarnessError when the file cannot be written."""
    if path == "-":
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return
    put_bytes((text if text.endswith("\n") else text + "\n").encode("utf-8"), path)


def put_bytes(data: bytes, path: str) -> None:
    """Write a file whole or not at all. Raises HarnessError when it cannot be written."""
    part = "%s.part-%d" % (path, os.getpid())
    try:
        with open(part, "wb") as file:
            file.write(data)
        os.replace(part, path)
    except OSError as error:
        if os.path.exists(part):
            os.remove(part)
        raise HarnessError("%s: cannot be written (%s)" % (path, error.strerror), "name a file in a folder that is there") from None


def as_json(data: Any) -> str:
    """A result as JSON text, its keys sorted, with a format version."""
    return json.dumps(dict(data, format=data.get("format", 1)), indent=1, sort_keys=True, allow_nan=False)
