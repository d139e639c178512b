"""The files of a run: their names, their contents, how they are read and written.

The one place that knows these names (ARCHITECTURE.md, "Files of a run"), and the only part of `harness` that `reports` imports.
`record.json` and `stage.json` are renamed into place last: their existence means done.
"""

import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from joulebird.harness.core import files
from joulebird.harness.core.errors import HarnessError

FORMAT = 1

SPEC = "spec.json"
RECORD = "record.json"
RECIPE = "recipe.json"
STAGE = "stage.json"
EVENTS = "events.jsonl"
POWER = "power.csv"
EPOCHS = "epochs.csv"
CHECKPOINT = "checkpoint.pt"
RESULT = "result.pt"

HEALTH_LINE = b'{"event": "health"'  # how the lines begin that a board's witness adds once a second


class StageRecord(NamedTuple):
    """What `stage.json` says about one finished stage.

    `upstream` are the ids of the stages it builds on, `session` the session that finished it, `attempts` how often it was begun,
    `seconds` how long the attempts worked together, `work` what was trained (None when nothing was).
    """

    id: str
    name: str
    function: str
    upstream: Tuple[str, ...] = ()
    session: str = ""
    attempts: int = 1
    seconds: float = 0.0
    device: str = ""
    work: Optional[Dict[str, Any]] = None
    metrics: Dict[str, Any] = {}
    warnings: Tuple[Dict[str, Any], ...] = ()
    source: Dict[str, Any] = {}
    environment: Dict[str, Any] = {}


class RunRecord(NamedTuple):
    """What `record.json` says about one finished run.

    `stages` are stage ids in the order the method asked for them, `accuracy` has best and last (shares from 0 to 1) and best_epoch,
    `metrics` are the stages' own by stage name, `sessions` are the sessions that measured its stages, `finished` is wall-clock seconds,
    `joulebird` the version that wrote it.
    """

    id: str
    spec: Dict[str, Any]
    stages: Tuple[str, ...]
    accuracy: Dict[str, Any]
    metrics: Dict[str, Any] = {}
    warnings: Tuple[Dict[str, Any], ...] = ()
    environment: Dict[str, Any] = {}
    source: Dict[str, Any] = {}
    sessions: Tuple[str, ...] = ()
    finished: float = 0.0
    joulebird: str = ""


def run_dir(root: str, run_id: str) -> str:
    """Folder of one run: spec.json and record.json."""
    return os.path.join(str(root), run_id)


def stage_dir(root: str, stage_id: str) -> str:
    """Folder of one stage: its recipe, events, power log, epochs, checkpoint, result and record."""
    return os.path.join(str(root), "stages", stage_id)


def idle_dir(root: str, session_id: str, when: str) -> str:
    """Folder of an idle measurement; `when` is "before" or "after" the session's work."""
    return os.path.join(str(root), "idle", f"{session_id}-{when}")


def read_json(path: str) -> Dict[str, Any]:
    """The JSON object in a file of ours; raises HarnessError when it is absent, damaged or of a newer format."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except FileNotFoundError:
        raise HarnessError(
            f"{path}: no such file", "run the study, or name the folder that holds its runs"
        ) from None
    except OSError as error:
        raise HarnessError(
            f"{path}: cannot be read ({error.strerror})", "check the permissions of the file"
        ) from None
    except ValueError as error:
        raise HarnessError(
            f"{path}: not valid JSON ({error})",
            "the file is damaged: delete it and run again",
        ) from None
    if not isinstance(data, dict):
        raise HarnessError(
            f"{path}: not a JSON object", "the file is damaged: delete it and run again"
        )
    check_format(data.get("format"), path)
    return data


def check_format(version: Any, path: str) -> None:
    """Accept this format and older ones; raises HarnessError for a newer one, or none."""
    if not isinstance(version, int) or isinstance(version, bool):
        raise HarnessError(
            f"{path}: has no format version", "it is not a file of joulebird, or it is damaged"
        )
    if version > FORMAT:
        raise HarnessError(
            "%s: format %d, and this joulebird reads up to %d" % (path, version, FORMAT),
            "update joulebird",
        )


def write_json(path: str, data: Dict[str, Any]) -> None:
    """Write a JSON object with its format version so that the file appears whole or not at all."""
    files.write_json(path, dict(data, format=FORMAT))


def is_done(folder: str, name: str = RECORD) -> bool:
    """Whether the run (or, with name=STAGE, the stage) in this folder is finished."""
    return os.path.exists(os.path.join(folder, name))


def read_run(root: str, run_id: str) -> RunRecord:
    """The record of a finished run under `root`; raises HarnessError with what to do when it cannot be read."""
    path = os.path.join(run_dir(root, run_id), RECORD)
    return _build(RunRecord, path)


def read_stage(root: str, stage_id: str) -> StageRecord:
    """The record of a finished stage under `root`; raises HarnessError with what to do when it cannot be read."""
    path = os.path.join(stage_dir(root, stage_id), STAGE)
    return _build(StageRecord, path)


def write_run(root: str, record: RunRecord) -> None:
    """Write record.json: from now on the run counts as done."""
    write_json(os.path.join(run_dir(root, record.id), RECORD), dict(record._asdict()))


def write_stage(root: str, record: StageRecord) -> None:
    """Write stage.json: from now on the stage counts as done."""
    write_json(os.path.join(stage_dir(root, record.id), STAGE), dict(record._asdict()))


def find_runs(root: str) -> Iterator[RunRecord]:
    """Records of all finished runs under `root`, in the order of their ids; raises HarnessError when there is no such folder."""
    if not os.path.isdir(str(root)):
        raise HarnessError(
            f"{root}: no such folder",
            "name the folder given to `joulebird run --runs` (default: runs)",
        )
    for name in sorted(os.listdir(str(root))):
        if is_done(run_dir(root, name)):
            yield read_run(root, name)


def read_events(path: str) -> List[Dict[str, Any]]:
    """The events of a stage, in order, without those of `read_health`.

    A last line cut short by a kill is left out; a damaged line elsewhere raises HarnessError.
    """
    lines = _lines(path)
    events = []
    for number, line in enumerate(lines[:-1], 1):
        if not line.strip() or line.startswith(HEALTH_LINE):
            continue
        try:
            event = json.loads(line.decode("utf-8"))
        except ValueError:
            event = None
        if isinstance(event, dict) and "event" in event:
            events.append(event)
        elif not _was_cut(lines, number):
            raise HarnessError(
                "%s line %d: not an event" % (path, number),
                "the file is damaged: delete its stage's folder and run again",
            )
    return events


def read_health(path: str) -> List[Dict[str, Any]]:
    """What a Jetson's witness noted down once a second beside a stage's events; lines cut short by a kill are left out."""
    found = []
    for line in _lines(path)[:-1]:
        if line.startswith(HEALTH_LINE):
            try:
                found.append(json.loads(line.decode("utf-8")))
            except ValueError:
                continue  # the health of one second is no reason to refuse a stage
    return found


def _lines(path: str) -> List[bytes]:
    """The lines of a file, and what follows the last line break; nothing when there is no file."""
    try:
        with open(path, "rb") as file:
            return file.read().split(b"\n")
    except FileNotFoundError:
        return [b""]


def _was_cut(lines: List[bytes], number: int) -> bool:
    """Whether line `number` (from 1) is the end of a killed attempt: the next one begins a new attempt, or nothing follows."""
    following = [
        line for line in lines[number:] if line.strip() and not line.startswith(HEALTH_LINE)
    ]
    return not following or b'"attempt_begin"' in following[0]


_JSON_TYPES = {
    "stages": (list, str),
    "upstream": (list, str),
    "sessions": (list, str),
    "warnings": (list, dict),
    "spec": (dict, None),
    "accuracy": (dict, None),
    "metrics": (dict, None),
    "environment": (dict, None),
    "source": (dict, None),
    "work": ((dict, type(None)), None),
    "attempts": (int, None),
    "seconds": ((int, float), None),
    "finished": ((int, float), None),
}


def _build(kind: Any, path: str) -> Any:
    data = read_json(path)
    missing = [
        field for field in kind._fields if field not in data and field not in _defaults(kind)
    ]
    if missing:
        raise HarnessError(
            "{}: lacks {}".format(path, ", ".join(missing)),
            "the file is damaged: delete it and run again",
        )
    values = {field: data[field] for field in kind._fields if field in data}
    for field, value in values.items():
        wanted, inside = _JSON_TYPES.get(field, (str, None))
        if (
            not isinstance(value, wanted)
            or inside
            and not all(isinstance(one, inside) for one in value)
        ):
            raise HarnessError(
                f"{path}: {field} is not what it must be",
                "the file is damaged: delete it and run again",
            )
        if wanted is list:
            values[field] = tuple(value)
    return kind(**values)


def _defaults(kind: Any) -> Dict[str, Any]:
    return getattr(kind, "_field_defaults", {})
