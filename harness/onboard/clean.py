"""Remove fetched runs from the board, with all that only they used."""

import glob
import os
import shutil
from typing import Any, Dict, List

from joulebird.harness.core import lock
from joulebird.harness.core import records as record
from joulebird.harness.core.files import remove as remove_file
from joulebird.harness.onboard import job as jobs
from joulebird.harness.onboard.files import idle_folders, walk


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
    done = record.folders_with(record.RECORD, root)
    gone = [name for name in done if name in fetched]
    read = {name: record.read_run(root, name) for name in done}
    asked = {
        job_id: set(jobs.read(jobs.folder(workdir, job_id))["job"].get("runs", []))
        for job_id in jobs.ids(workdir)
    }
    begun = record.folders_with(record.SPEC, root)
    unfinished = set(begun).union(*asked.values()) - set(done)
    stages = _only(gone, done, lambda name: set(read[name].stages)) if not unfinished else []
    sessions = _only(gone, done, lambda name: set(read[name].sessions))
    ended = [job_id for job_id, runs in asked.items() if not runs & unfinished]
    specs = [os.path.join(workdir, "specs", job_id + ".json") for job_id in ended]
    return {
        "runs": [record.run_dir(root, name) for name in gone],
        "stages": [record.stage_dir(root, stage) for stage in stages],
        "idle": [path for path in idle_folders(root, sessions) if os.path.isdir(path)],
        "jobs": [jobs.folder(workdir, job_id) for job_id in ended]
        + [path for path in specs if os.path.isfile(path)],
    }


def _only(gone: List[str], done: List[str], parts: Any) -> List[str]:
    """Return the parts that only the runs in `gone` have."""
    used = set().union(*(parts(name) for name in gone))
    return sorted(used.difference(*(parts(name) for name in done if name not in gone)))
