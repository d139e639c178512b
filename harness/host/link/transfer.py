"""Copy files between the desk and a board: rsync where both have it, else tar over ssh.

The files that mean "done" arrive last. A data set is sent once: it lies there under its hash, whole
or not at all.
"""

import functools
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from joulebird.harness.core import records
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.errors import BROKEN, LinkError, command_error, ssh_error
from joulebird.harness.host.link.ssh import SSH_FAILED, Channel, Link, text_of
from joulebird.harness.onboard.files import tree_hash, walk

STAGING = ".incoming"  # below the runs folder, for files that are still arriving
LAST = (records.STAGE, records.RECORD)  # in this order, after all else: they mean done


@functools.cache
def rsync_here() -> str | None:
    """Return the desk's rsync if it can keep remote names from a shell.

    That is 3.0 or newer; macOS has another program of this name.
    """
    program = shutil.which("rsync")
    if program is None:
        return None
    said = subprocess.run(
        [program, "--version"], capture_output=True, stdin=subprocess.DEVNULL
    ).stdout.decode("utf-8", "replace")
    return program if re.match(r"rsync +version [3-9]", said) else None


def missing(local: Path, there: Iterable[tuple[str, int, int]]) -> list[str]:
    """Return those listed files that differ here, in the order in which they must arrive.

    A file is listed as name, bytes, and time of change in ns.
    """
    names = [
        name for name, size, changed_ns in there if not _same(local / _safe(name), size, changed_ns)
    ]
    return sorted(names, key=lambda name: (_rank(name), name))


def pull(link: Link, remote: str, local: Path, names: Sequence[str], use_rsync: bool) -> int:
    """Bring these files (relative to the folder `remote`) below `local`; return their number.

    A broken connection leaves only whole files in place; the next call fetches the rest. Raises
    LinkError.
    """
    for rank in range(len(LAST) + 1):
        part = [name for name in names if _rank(name) == rank]
        if part:
            (_pull_rsync if use_rsync and rsync_here() else _pull_tar)(link, remote, local, part)
    return len(names)


def push(link: Link, local: Path, remote: str, names: Sequence[str], use_rsync: bool) -> None:
    """Send these files (relative to the folder `local`) below the folder `remote`.

    Raises LinkError; a second call completes a first.
    """
    link.run(["mkdir", "-p", "--", remote])
    if use_rsync and rsync_here():
        _rsync(link, [f"{local.resolve()}/", f"board:{_explicit(remote)}/"], names)
        return
    argv = link.argv(["tar", "-x", "-C", _explicit(remote), "-f", "-"])
    with tempfile.TemporaryFile() as messages:
        process = Channel(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=messages)
        try:
            with tarfile.open(
                fileobj=process.stdin, mode="w|", format=tarfile.PAX_FORMAT
            ) as archive:
                for name in names:
                    archive.add(local / name, name, recursive=False)
            process.stdin.close()
        except BrokenPipeError:
            pass  # the exit status has the reason
        _check(link, argv, process.wait(), messages)


def send(agent: Agent, folder: Path) -> str:
    """Return the board's path of this folder of data sets, sent there if absent.

    Raises LinkError, or HarnessError for an empty folder.
    """
    digest = tree_hash(str(folder))
    final = posixpath.join(agent.board.cache, "data", digest[:16])
    if agent.link.run(["test", "-d", final], check=False).status != 0:
        names = [Path(path).relative_to(folder).as_posix() for path in walk(str(folder))]
        push(agent.link, folder, final + ".part", names, agent.deployed.has_rsync)
        agent.call("settle", timeout_s=None, part=final + ".part", final=final, hash=digest)
    return final


def _pull_rsync(link: Link, remote: str, local: Path, names: Sequence[str]) -> None:
    local.mkdir(parents=True, exist_ok=True)
    _rsync(link, [f"board:{_explicit(remote)}/", f"{local.resolve()}/"], names, local)


def _rsync(
    link: Link, ends: Sequence[str], names: Sequence[str], receiver: Path | None = None
) -> None:
    """Run rsync over our connection.

    Its remote shell is a script that drops the host's name, which ssh has from us already.
    """
    shell = "shift; exec " + shlex.join([*link.options(), "--", link.board.host]) + ' "$@"'
    argv = [
        rsync_here() or "rsync",
        "-rt",
        "--perms",
        "--chmod=ugo=rwX",
        "--protect-args",
        "--partial-dir=.rsync-part",
        "--files-from=-",
        "--from0",
        "-e",
        " ".join(_rsync_word(word) for word in ("sh", "-c", shell, "sh")),
        "--",
        *ends,
    ]
    link.open()
    with tempfile.TemporaryFile() as messages:
        done = subprocess.run(
            argv,
            input=b"\0".join(os.fsencode(name) for name in names),
            stdout=subprocess.DEVNULL,
            stderr=messages,
        )
        _check(link, argv, done.returncode, messages, receiver)


def _pull_tar(link: Link, remote: str, local: Path, names: Sequence[str]) -> None:
    staging = local / STAGING
    staging.mkdir(parents=True, exist_ok=True)
    argv = link.argv(["tar", "-c", "-C", _explicit(remote), "--null", "-T", "-", "-f", "-"])
    link.open()
    wanted = set(names)
    with tempfile.TemporaryFile() as messages, tempfile.TemporaryFile() as asked:
        asked.write(b"\0".join(os.fsencode(name) for name in names) + b"\0")
        asked.seek(0)
        process = Channel(argv, stdin=asked, stdout=subprocess.PIPE, stderr=messages)
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    source = archive.extractfile(member) if member.isreg() else None
                    if source is not None and member.name in wanted:
                        _receive(source, staging, local / member.name, member.mtime)
        except (tarfile.TarError, EOFError, OSError) as error:
            process.kill()
            if process.wait() in (0, -9) and isinstance(error, OSError) and error.errno:
                raise _local_error(local, str(error.strerror)) from None
        _check(link, argv, process.wait(), messages)
    shutil.rmtree(staging, ignore_errors=True)


def _receive(source: IO[bytes], staging: Path, target: Path, changed_s: float) -> None:
    """Write one file beside the results and rename it into place when it is whole."""
    part = staging / "file"
    with open(part, "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    os.utime(part, (changed_s, changed_s))
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(part, target)


def _local_error(folder: Path, reason: str) -> LinkError:
    return LinkError(
        f"{folder}: {reason}",
        "is the disk of this machine full, or the folder not yours? then the same command again",
    )


def _check(
    link: Link, argv: list[str], status: int, messages: IO[bytes], receiver: Path | None = None
) -> None:
    """Raise the error of a failed copy; `receiver` is the folder here that rsync was writing to."""
    if status == 0:
        return
    said, host = text_of(messages), link.board.host
    for reason in ("No space left on device", "Permission denied"):
        if receiver is not None and "[receiver" in said and reason in said:
            raise _local_error(receiver, reason)
    if status < 0 or "connection unexpectedly closed" in said or "unexplained error" in said:
        raise LinkError(f"{host}: the connection broke", BROKEN, lost=True)
    raise (
        ssh_error(host, said) if status == SSH_FAILED else command_error(host, argv, said, status)
    )


def _rank(name: str) -> int:
    """Return 0 for a file that arrives first, more for those that mean "done"."""
    base = os.path.basename(name)
    return LAST.index(base) + 1 if base in LAST else 0


def _same(path: Path, size: int, changed_ns: int) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_size == size and abs(found.st_mtime_ns - changed_ns) < 1_000_000_000


def _safe(name: str) -> str:
    """Return a name if it stays below its folder; raises LinkError otherwise."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise LinkError(
            f"the board offers a file outside its runs: {name!r}",
            "look at the board: this should not happen",
        )
    return name


def _explicit(path: str) -> str:
    """Return a remote path that no program takes for an option."""
    return path if path.startswith("/") else "./" + path


def _rsync_word(word: str) -> str:
    """Return a word as rsync reads its -e option: in single quotes, a single quote doubled."""
    return "'" + word.replace("'", "''") + "'"
