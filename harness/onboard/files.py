"""List the files of runs on the board; hash and place data sets; remove fetched runs."""

import glob
import hashlib
import os
import shutil
from typing import Any, Dict, Iterator, List, Tuple

from joulebird.harness.core import lock, records
from joulebird.harness.core.errors import UNREACHABLE, HarnessError
from joulebird.harness.core.files import file_hash
from joulebird.harness.core.files import remove as remove_file
from joulebird.harness.onboard import jobs
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
        for name in run_ids or records.folders_with(records.RECORD, root)
        if is_finished(root, name)
    ]
    folders: List[str] = []
    for name in done:
        run = records.read_run(root, name)
        stages = [records.stage_dir(root, stage) for stage in run.stages]
        folders += [records.run_dir(root, name)] + stages + records.idle_dirs(root, run.sessions)
    tops = [os.path.relpath(path, root) for path in dict.fromkeys(folders)]
    checkpoint = records.CHECKPOINT.partition(".")[0]
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
    names = records.folders_with(records.EVENTS, records.stage_dir(root, ""))
    paths = [os.path.join(records.stage_dir(root, name), records.EVENTS) for name in names]
    events = [event["event"] for path in paths for event in records.read_events(path)]
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


def clean(
    workdir: str, lock_path: str, fetched: List[str], cache: str, keep: str, remove: bool = True
) -> Dict[str, Any]:
    """Remove the `fetched` runs that are finished, zip files other than `keep`, and ended jobs.

    Return the paths by kind, and their bytes; without `remove`, only name them. Stages and idle
    measurements stay while another run uses them, or may: an unfinished run keeps all stages.
    Raises HarnessError (75) while a job runs.
    """
    hint = "`joulebird board status` shows it; clean later"
    owner = {"user": "joulebird board clean"}
    with lock.locked(lock_path, owner, "a job runs on the board", hint):
        paths = _useless(workdir, fetched)
        zips = glob.glob(os.path.join(glob.escape(cache), "board-*.pyz*"))
        paths["code"] = [path for path in sorted(zips) if os.path.basename(path) != keep]
        useless = [path for kind in paths.values() for path in kind]
        size = sum(os.path.getsize(file) for path in useless for file in walk(path))
        for path in useless if remove else []:
            whole = os.path.isdir(path) and not os.path.islink(path)
            (shutil.rmtree if whole else remove_file)(path)
    return dict(paths, bytes=size)


def _useless(workdir: str, fetched: List[str]) -> Dict[str, List[str]]:
    """Return the folders of runs, stages, idle measurements and jobs to remove."""
    root = os.path.join(workdir, "runs")
    done = records.folders_with(records.RECORD, root)
    gone = [name for name in done if name in fetched]
    read = {name: records.read_run(root, name) for name in done}
    asked = {
        job_id: set(jobs.read(jobs.folder(workdir, job_id))["job"].get("runs", []))
        for job_id in jobs.ids(workdir)
    }
    begun = records.folders_with(records.SPEC, root)
    unfinished = set(begun).union(*asked.values()) - set(done)
    stages = _only(gone, done, lambda name: set(read[name].stages)) if not unfinished else []
    sessions = _only(gone, done, lambda name: set(read[name].sessions))
    ended = [job_id for job_id, runs in asked.items() if not runs & unfinished]
    specs = [os.path.join(workdir, "specs", job_id + ".json") for job_id in ended]
    return {
        "runs": [records.run_dir(root, name) for name in gone],
        "stages": [records.stage_dir(root, stage) for stage in stages],
        "idle": [path for path in records.idle_dirs(root, sessions) if os.path.isdir(path)],
        "jobs": [jobs.folder(workdir, job_id) for job_id in ended]
        + [path for path in specs if os.path.isfile(path)],
    }


def _only(gone: List[str], done: List[str], parts: Any) -> List[str]:
    """Return the parts that only the runs in `gone` have."""
    used = set().union(*(parts(name) for name in gone))
    return sorted(used.difference(*(parts(name) for name in done if name not in gone)))
