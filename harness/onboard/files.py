"""What the host asks about files on the board: which there are, and what a data set's hash is."""

import hashlib
import os
from typing import Any, Dict, Iterator, List, Tuple

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.runs.rundir import is_finished

BLOCK = 1 << 20


def listing(root: str, tops: List[str]) -> List[Tuple[str, int, int]]:
    """Path below `root`, size and time of change (ns) of every finished file under the given folders; absent folders give nothing."""
    found = []
    for top in tops:
        for path in walk(os.path.join(root, top)):
            facts = os.stat(path)
            found.append((os.path.relpath(path, root), facts.st_size, facts.st_mtime_ns))
    return found


def of_runs(root: str, run_ids: List[str]) -> Dict[str, Any]:
    """The finished ones of these runs (all, when none is named), and every file that they are made of: stages and idle measurements too."""
    done = [name for name in run_ids or finished(root) if is_finished(root, name)]
    tops = []  # type: List[str]
    for name in done:
        run = record.read_run(root, name)
        wanted = [record.run_dir(root, name)] + [
            record.stage_dir(root, stage) for stage in run.stages
        ]
        wanted += [
            record.idle_dir(root, session, when)
            for session in run.sessions
            for when in ("before", "after")
        ]
        tops += [path for path in wanted if path not in tops]
    files = listing(root, [os.path.relpath(path, root) for path in tops])
    return {
        "done": done,
        "files": [
            one
            for one in files
            if not os.path.basename(one[0]).startswith(record.CHECKPOINT.partition(".")[0])
        ],
    }


def finished(root: str) -> List[str]:
    """Ids of all finished runs under a folder."""
    return [name for name in _names(root) if record.is_done(os.path.join(root, name))]


def progress(root: str) -> int:
    """How many epochs and finished stages there are: a number that grows when work is done, and only then."""
    total = 0
    for name in _names(os.path.join(root, "stages")):
        path = os.path.join(record.stage_dir(root, name), record.EVENTS)
        total += sum(event["event"] in ("epoch", "stage_end") for event in record.read_events(path))
    return total


def _names(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def walk(root: str) -> Iterator[str]:
    """Every regular file under a folder (or the file itself), in the order of names; files that are still being written are left out."""
    if os.path.isfile(root):
        yield root
    for folder, names, files in os.walk(root):
        names.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if ".part-" not in name and os.path.isfile(path) and not os.path.islink(path):
                yield path


def tree_hash(root: str) -> str:
    """SHA-256 over the names and contents of all files under a folder: the identity of a data set. Raises HarnessError when empty."""
    total = hashlib.sha256()
    count = 0
    for path in walk(root):
        total.update(
            os.path.relpath(path, root).replace(os.sep, "/").encode("utf-8", "surrogateescape")
            + b"\0"
        )
        total.update(file_hash(path).encode("ascii") + b"\n")
        count += 1
    if not count:
        raise HarnessError(
            f"{root}: no such folder, or it is empty", "name the folder that holds the data set"
        )
    return total.hexdigest()


def file_hash(path: str) -> str:
    """SHA-256 of one file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            found.update(block)
    return found.hexdigest()


def settle(part: str, final: str, expected: str) -> Dict[str, Any]:
    """Check a data set that has arrived under `part` and rename it into place; raises HarnessError when it is not what was sent."""
    found = tree_hash(part)
    if found != expected:
        raise HarnessError(
            f"the data set arrived damaged (hash {found[:12]}, not {expected[:12]})",
            "type the same command again",
            3,
        )
    os.rename(part, final)
    return {"hash": found}
