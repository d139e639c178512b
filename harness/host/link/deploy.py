"""Bring the code to a board: one zip file of `devices`, `baselines` and `harness`.

It is named by its SHA-256; nothing is installed there.
"""

import hashlib
import io
import shlex
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.process import ROOT
from joulebird.harness.host.link.errors import LinkError
from joulebird.harness.host.link.ssh import Link
from joulebird.harness.verbs import ON_A_BOARD

PACKAGES = ("baselines", "devices", "harness")
# These need a current Python, and are of no use there.
LEFT_OUT = (
    "joulebird/harness/host",
    "joulebird/harness/presets",
    "joulebird/harness/verbs/board",
    "joulebird/devices/serial_meter/repair.py",
)
MAX_BYTES = 400_000
# `python3 board.pyz VERB` and `python3 board.pyz onboard VERB`. The path is made absolute because a
# run may change its folder.
MAIN = b"""import os
import sys
sys.path[0] = os.path.abspath(sys.path[0])
if sys.argv[1:2] == ["onboard"]:
    del sys.argv[1]
    from joulebird.harness.onboard.verbs import main
else:
    from joulebird.harness.cli.main import main
sys.exit(main())
"""

# One shell script on the board finds all facts for deploying; $1 is the code file, $2 the Python.
LOOK = (
    'if test -f "$1"; then echo present; else echo absent; fi; '
    'command -v "$2" >/dev/null 2>&1 && echo python || echo none; '
    "command -v rsync >/dev/null 2>&1 && echo rsync || echo none"
)
# $1 is the folder, $2 the final name, $3 a name that only this upload uses, $4 the SHA-256. The
# file appears whole or not at all.
RECEIVE = (
    'mkdir -p -- "$1" && cd -- "$1" && rm -f ./*.part-* && cat > "$3" && '
    'test "$(sha256sum < "$3" | cut -c 1-64)" = "$4" && mv -f "$3" "$2"'
)


class Code(NamedTuple):
    """The zip file: its bytes and its SHA-256."""

    data: bytes
    sha256: str

    @property
    def name(self) -> str:
        """The file name on the board."""
        return f"board-{self.sha256[:12]}.pyz"


class Deployed(NamedTuple):
    """The path of the code on the board, and the number of bytes that were sent.

    The path is relative to the home unless the cache is absolute.
    """

    path: str
    sha256: str
    sent_bytes: int
    has_rsync: bool


def build() -> Code:
    """Return the code for the board, the same bytes for the same sources.

    Raises HarnessError when it has grown too large.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        _add(archive, "__main__.py", MAIN)
        for name, path in sorted(_sources()):
            _add(archive, name, path.read_bytes())
    data = buffer.getvalue()
    if len(data) > MAX_BYTES:
        raise HarnessError(
            f"the code for the board is {len(data)} bytes, more than {MAX_BYTES}",
            "is there a large file among the sources?",
        )
    return Code(data, hashlib.sha256(data).hexdigest())


def deploy(link: Link, code: Code | None = None) -> Deployed:
    """Make sure that the code is on the board, sending it only when it is absent.

    Raises LinkError, also when Python is missing there.
    """
    code = code or build()
    board = link.board
    folder = PurePosixPath(board.cache)
    path = str(folder / code.name)
    looked = link.run(["sh", "-c", LOOK, "sh", path, board.python])
    present, python, rsync = looked.text.split()[-3:]
    if python == "none":
        raise LinkError(
            f"{board.host}: {board.python} is not found there",
            "install it (sudo apt install python3), "
            "or name the interpreter: python = under [board.NAME]",
        )
    if present == "absent":
        part = f"{code.name}.part-{uuid.uuid4().hex[:8]}"
        words = ["sh", "-c", RECEIVE, "sh", str(folder), code.name, part, code.sha256]
        result = link.run(words, stdin=code.data, check=False)
        if result.status != 0:
            raise _not_stored(board.host, result.stderr, str(folder))
    sent_bytes = len(code.data) if present == "absent" else 0
    return Deployed(path, code.sha256, sent_bytes, rsync == "rsync")


def _not_stored(host: str, stderr: str, folder: str) -> LinkError:
    if "No space left" in stderr or "quota" in stderr:
        return LinkError(
            f"{host}: the board's disk is full ({folder})",
            "make room there (df -h), then type the same command again",
        )
    last = (stderr.strip().splitlines() or ["the file arrived damaged"])[-1]
    return LinkError(
        f"{host}: the code could not be stored in {shlex.quote(folder)}: {last}",
        "name a folder that you may write there: cache = under [board.NAME]",
    )


def _sources() -> Iterator[tuple[str, Path]]:
    """Give the name in the archive and the path of every file that the board needs."""
    home = Path(ROOT) / "joulebird"
    yield "joulebird/__init__.py", home / "__init__.py"
    for package in PACKAGES:
        root = home / package
        if not root.is_dir():
            raise HarnessError(
                f"the package joulebird.{package} is not installed", "install joulebird again"
            )
        for path in sorted(root.rglob("*")):
            name = f"joulebird/{package}/{path.relative_to(root).as_posix()}"
            if path.is_file() and not _left_out(name):
                yield name, path


def _left_out(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    of_the_desk = path.match("harness/verbs/*.py") and path.stem not in ("__init__", *ON_A_BOARD)
    return (
        hidden
        or of_the_desk
        or name.endswith((".pyc", ".pyo", ".md"))
        or any(f"{name}/".startswith(f"{left_out}/") for left_out in LEFT_OUT)
    )


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a file with a fixed date and mode: only names and contents decide the archive's bytes."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = 0o644 << 16
    archive.writestr(info, data, compresslevel=9)
