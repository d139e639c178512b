"""Remove fetched runs, code of other versions and ended jobs from a board."""

import contextlib
import glob
import os
import shutil
from typing import Any, Dict, List, Set

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.exit_codes import BUSY
from joulebird.harness.onboard import files, lock
from joulebird.harness.onboard import job as jobs


def clean(
    workdir: str, lock_path: str, fetched: List[str], cache: str, keep: str, remove: bool = True
) -> Dict[str, Any]:
    """Remove the `fetched` runs that are finished, zip files other than `keep`, and ended jobs.

    Return the paths by kind, and their bytes; without `remove`, only name them. Stages and idle
    measurements stay while another run uses them, or may: an unfinished run keeps all stages.
    Raises HarnessError (75) while a job runs.
    """
    handle = lock.open_lock(lock_path)
    try:
        if not lock.try_lock(handle, {"user": "joulebird board clean"}):
            raise HarnessError(
                "a job runs on the board", "`joulebird board status` shows it; clean later", BUSY
            )
        paths = _useless(workdir, fetched)
        zips = glob.glob(os.path.join(glob.escape(cache), "board-*.pyz*"))
        paths["code"] = [path for path in sorted(zips) if os.path.basename(path) != keep]
        useless = [path for kind in paths.values() for path in kind]
        size = sum(_bytes(path) for path in useless)
        for path in useless if remove else []:
            _remove(path)
    finally:
        os.close(handle)
    return dict(paths, bytes=size)


def _useless(workdir: str, fetched: List[str]) -> Dict[str, List[str]]:
    """Return the folders of runs, stages, idle measurements and jobs to remove."""
    root = os.path.join(workdir, "runs")
    done = files.finished(root)
    gone = [name for name in done if name in fetched]
    read = {name: record.read_run(root, name) for name in done}
    asked = {
        job_id: set(jobs.read(jobs.folder(workdir, job_id))["job"].get("runs", []))
        for job_id in jobs.ids(workdir)
    }
    unfinished = set().union(*asked.values(), _begun(root)) - set(done)
    stages = _only(gone, done, lambda name: set(read[name].stages)) if not unfinished else []
    sessions = _only(gone, done, lambda name: set(read[name].sessions))
    idle = [record.idle_dir(root, name, when) for name in sessions for when in ("before", "after")]
    ended = [job_id for job_id, runs in asked.items() if not runs & unfinished]
    specs = [os.path.join(workdir, "specs", job_id + ".json") for job_id in ended]
    return {
        "runs": [record.run_dir(root, name) for name in gone],
        "stages": [record.stage_dir(root, stage) for stage in stages],
        "idle": [path for path in idle if os.path.isdir(path)],
        "jobs": [jobs.folder(workdir, job_id) for job_id in ended]
        + [path for path in specs if os.path.isfile(path)],
    }


def _begun(root: str) -> Set[str]:
    """Return the ids of all runs that have a spec in the folder."""
    paths = glob.glob(os.path.join(glob.escape(root), "*", record.SPEC))
    return {os.path.basename(os.path.dirname(path)) for path in paths}


def _only(gone: List[str], done: List[str], parts: Any) -> List[str]:
    """Return the parts that only the runs in `gone` have."""
    used = set().union(*(parts(name) for name in gone))
    return sorted(used.difference(*(parts(name) for name in done if name not in gone)))


def _bytes(path: str) -> int:
    return sum(os.path.getsize(file) for file in files.walk(path))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
