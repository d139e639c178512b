"""List the files of runs on the board; hash and place data sets."""

import hashlib
import os
from typing import Any, Dict, Iterable, Iterator, List, Tuple

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.exit_codes import UNREACHABLE
from joulebird.harness.core.files import file_hash
from joulebird.harness.runs.rundir import is_finished


def listing(root: str, tops: List[str]) -> List[Tuple[str, int, int]]:
    """Return path below `root`, size and time of change (ns) of the finished files in some folders.

    An absent folder has none.
    """
    paths = [path for top in tops for path in walk(os.path.join(root, top))]
    facts = [(os.path.relpath(path, root), os.stat(path)) for path in paths]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in facts]


def of_runs(root: str, run_ids: List[str]) -> Dict[str, Any]:
    """Return the finished ones of these runs (of all runs when none is named), and their files.

    The files include those of their stages and idle measurements, but no checkpoints.
    """
    done = [
        name
        for name in run_ids or record.folders_with(record.RECORD, root)
        if is_finished(root, name)
    ]
    folders: List[str] = []
    for name in done:
        run = record.read_run(root, name)
        stages = [record.stage_dir(root, stage) for stage in run.stages]
        folders += [record.run_dir(root, name)] + stages + idle_folders(root, run.sessions)
    tops = [os.path.relpath(path, root) for path in dict.fromkeys(folders)]
    checkpoint = record.CHECKPOINT.partition(".")[0]
    return {
        "done": done,
        "files": [
            row
            for row in listing(root, tops)
            if not os.path.basename(row[0]).startswith(checkpoint)
        ],
    }


def progress(root: str) -> int:
    """Return the number of epochs and finished stages: it grows only when work is done."""
    names = record.folders_with(record.EVENTS, record.stage_dir(root, ""))
    paths = [os.path.join(record.stage_dir(root, name), record.EVENTS) for name in names]
    events = [event["event"] for path in paths for event in record.read_events(path)]
    return sum(event in ("epoch", "stage_end") for event in events)


def walk(root: str) -> Iterator[str]:
    """Yield every regular file under a folder (or the file itself), in the order of names.

    Files that are still being written are left out.
    """
    if os.path.isfile(root):
        yield root
    for folder, names, files in os.walk(root):
        names.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if ".part-" not in name and os.path.isfile(path) and not os.path.islink(path):
                yield path


def tree_hash(root: str) -> str:
    """Return the SHA-256 over the names and contents of a folder's files: a data set's identity.

    Raises HarnessError when there is no file.
    """
    total = hashlib.sha256()
    paths = list(walk(root))
    for path in paths:
        name = os.path.relpath(path, root).replace(os.sep, "/")
        total.update(name.encode("utf-8", "surrogateescape") + b"\0")
        total.update(file_hash(path).encode("ascii") + b"\n")
    if not paths:
        raise HarnessError(
            f"{root}: no such folder, or it is empty", "name the folder that holds the data set"
        )
    return total.hexdigest()


def settle(part: str, final: str, expected: str) -> Dict[str, Any]:
    """Check a data set that has arrived under `part` and rename it into place.

    Raises HarnessError when its hash is another than `expected`.
    """
    digest = tree_hash(part)
    if digest != expected:
        raise HarnessError(
            f"the data set arrived damaged (hash {digest[:12]}, not {expected[:12]})",
            "type the same command again",
            UNREACHABLE,
        )
    os.rename(part, final)
    return {"hash": digest}


def idle_folders(root: str, sessions: Iterable[str]) -> List[str]:
    """Return the folders of the idle measurements of some sessions."""
    return [record.idle_dir(root, name, when) for name in sessions for when in ("before", "after")]
