"""Which runs of a study are finished, and the folder that holds them."""

import contextlib
import os
from typing import Any, Dict, List, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import EventLog
from joulebird.harness.core.files import remove
from joulebird.harness.core.records import (
    EVENTS,
    RECORD,
    RESULT,
    STAGE,
    is_done,
    read_run,
    run_dir,
    stage_dir,
)
from joulebird.harness.core.registry import own_sources


def make_folder(root: str) -> None:
    """Make the folder of a study's runs; raises HarnessError when it cannot be written."""
    try:
        os.makedirs(root, exist_ok=True)
        if not os.access(root, os.W_OK | os.X_OK):
            raise PermissionError(0, "permission denied")
    except OSError as error:
        raise HarnessError(
            f"{root}: cannot be written ({error.strerror})", "name another folder with --runs"
        ) from None


def is_finished(root: str, run_id: str) -> bool:
    """Return whether a run is done and all its stages are still there.

    Deleting a stage's folder asks for it again, and so does a change of a module of the user's own.
    """
    if not is_done(run_dir(root, run_id), RECORD):
        return False
    done = read_run(root, run_id)
    now = dict(done.sources, **sources_of(done.spec)) if done.sources else {}
    stages = (is_done(stage_dir(root, stage_id), STAGE) for stage_id in done.stages)
    return now == done.sources and all(stages)


def sources_of(spec: Dict[str, Any]) -> Dict[str, str]:
    """Return the hash of each module of the user's own that a spec names."""
    return own_sources(*(str(spec[kind]) for kind in ("method", "model", "dataset")))


def split(root: str, specs: List[Any]) -> Tuple[List[Any], List[Any]]:
    """Return the finished and the unfinished specs under `root`."""
    done = [spec for spec in specs if is_finished(root, spec.id)]
    return done, [spec for spec in specs if spec not in done]


def reopen(folder: str, warning: Dict[str, Any]) -> None:
    """Make a finished stage unfinished, so that it is done again; the warning enters its events."""
    with contextlib.closing(EventLog(os.path.join(folder, EVENTS))) as events:
        events.write("warning", durable=True, **warning)
        remove(os.path.join(folder, STAGE))
        remove(os.path.join(folder, RESULT))
