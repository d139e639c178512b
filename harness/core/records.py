"""The files of a run: their names, how they are read and written.

The only module that knows these names; docs/formats.md describes the contents. `record.json` and
`stage.json` are renamed into place last: a whole one means done.
"""

import contextlib
import functools
import glob
import os
import time
import uuid
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Type, TypeVar

from joulebird.harness.core import files, formats, jsonfile
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.schema import UPDATE, Schema, check_format

SPEC = "spec.json"
RECORD = "record.json"
RECIPE = "recipe.json"
STAGE = "stage.json"
EVENTS = "events.jsonl"
POWER = "power.csv"
EPOCHS = "epochs.csv"
CHECKPOINT = "checkpoint.pt"
RESULT = "result.pt"

CHECKED = {STAGE: formats.STAGE, RECORD: formats.RECORD}

HEALTH_LINE = b'{"event": "health"'  # how the lines begin that a board's monitor adds

Table = Dict[str, Any]  # of a record; its schema in formats.py names the keys
Tables = Tuple[Table, ...]
Event = Table


class StageRecord(NamedTuple):
    """One finished stage, as in stage.json (`formats.STAGE` has the meaning of each field)."""

    id: str
    name: str
    function: str
    upstream: Tuple[str, ...] = ()
    session: str = ""
    attempts: int = 1
    seconds: float = 0.0
    device: str = ""
    work: Optional[Table] = None
    load: Table = {}
    metrics: Table = {}
    warnings: Tables = ()
    source: Table = {}
    environment: Table = {}
    conditions: str = ""
    digests: Table = {}


class RunRecord(NamedTuple):
    """One finished run, as in record.json (`formats.RECORD` has the meaning of each field)."""

    id: str
    spec: Table
    stages: Tuple[str, ...]
    accuracy: Table
    metrics: Dict[str, Table] = {}
    warnings: Tables = ()
    environment: Table = {}
    source: Table = {}
    sessions: Tuple[str, ...] = ()
    finished: float = 0.0
    joulebird: str = ""
    sources: Table = {}


Record = TypeVar("Record", StageRecord, RunRecord)


def run_dir(root: str, run_id: str) -> str:
    """Return the folder of one run: spec.json and record.json."""
    return os.path.join(str(root), run_id)


def stage_dir(root: str, stage_id: str) -> str:
    """Return the folder of one stage: recipe, events, power log, epochs, checkpoint, result."""
    return os.path.join(str(root), "stages", stage_id)


def new_id() -> str:
    """Return a new name of a session or job: it begins with the time, in UTC."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:6]}"


def idle_dir(root: str, session_id: str, when: str) -> str:
    """Return the folder of an idle measurement, "before" or "after" the session's work."""
    return os.path.join(str(root), "idle", f"{session_id}-{when}")


def idle_dirs(root: str, sessions: Iterable[str]) -> List[str]:
    """Return the folders of the idle measurements of some sessions."""
    return [idle_dir(root, session, when) for session in sessions for when in ("before", "after")]


def read_json(path: str, schema: Optional[Schema] = None) -> Dict[str, Any]:
    """Return the object in a JSON file, checked by a schema, or else only for its format version.

    Raises HarnessError when the file is absent, damaged or of a newer format.
    """
    data = jsonfile.load(path, formats.DAMAGED)
    if not isinstance(data, dict):
        raise HarnessError(f"{path}: not a JSON object", formats.DAMAGED)
    if schema is None:
        check_format(data.get("format"), path, formats.VERSION)
    else:
        schema.check(data, path)
    return data


def write_json(path: str, data: Dict[str, Any]) -> None:
    """Write an object with its format version so that the file appears whole or not at all."""
    files.write_json(path, dict(data, format=formats.VERSION))


def is_done(folder: str, name: str = RECORD) -> bool:
    """Return whether the run (or, with name=STAGE, the stage) in this folder is finished.

    A damaged record is none. Raises HarnessError for one that cannot be read, or is of a newer
    format: its work must not be done again.
    """
    path = os.path.join(folder, name)
    try:
        facts = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return name not in CHECKED or _is_whole(path, facts.st_mtime_ns, facts.st_size, facts.st_ino)


@functools.lru_cache(maxsize=4096)  # the same files are asked for again and again
def _is_whole(path: str, *unchanged: int) -> bool:
    try:
        read_json(path, CHECKED[os.path.basename(path)])
    except HarnessError as error:
        if error.hint in (jsonfile.UNREADABLE, UPDATE):
            raise
        return False
    return True


def read_run(root: str, run_id: str) -> RunRecord:
    """Return the record of a finished run; raises HarnessError if it cannot be read."""
    return build(RunRecord, read_json(os.path.join(run_dir(root, run_id), RECORD), formats.RECORD))


def read_stage(root: str, stage_id: str) -> StageRecord:
    """Return the record of a finished stage; raises HarnessError if it cannot be read."""
    return build(
        StageRecord, read_json(os.path.join(stage_dir(root, stage_id), STAGE), formats.STAGE)
    )


def build(kind: Type[Record], data: Dict[str, Any]) -> Record:
    """Return the record of checked data; fields of newer writers are left out."""
    known = {name: data[name] for name in kind._fields if name in data}
    lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return kind(**dict(known, **lists))


def write_run(root: str, record: RunRecord) -> None:
    """Write record.json: from now on the run counts as done."""
    write_json(os.path.join(run_dir(root, record.id), RECORD), record._asdict())


def write_stage(root: str, record: StageRecord) -> None:
    """Write stage.json with the digests of its raw files: now the stage counts as done."""
    folder = stage_dir(root, record.id)
    write_json(os.path.join(folder, STAGE), dict(record._asdict(), digests=digests(folder)))


def digests(folder: str) -> Dict[str, str]:
    """Return the SHA-256 of a stage's events and of each of its power logs, by file name."""
    patterns = (EVENTS, POWER.replace(".", "*."))
    paths = [
        path for name in patterns for path in glob.glob(os.path.join(glob.escape(folder), name))
    ]
    return {os.path.basename(path): files.file_hash(path) for path in sorted(paths)}


def find_runs(root: str) -> Iterator[RunRecord]:
    """Yield the records of all finished runs under `root`, in the order of their ids.

    Raises HarnessError when there is no such folder.
    """
    if not os.path.isdir(str(root)):
        raise HarnessError(
            f"{root}: no such folder",
            "name the folder given to `joulebird run --runs` (default: runs)",
        )
    for name in folders_with(RECORD, root):
        yield read_run(root, name)


def folders_with(file: str, root: str) -> List[str]:
    """Return the sorted names of the folders under `root` that hold this file.

    The finished runs are those with a RECORD.
    """
    paths = glob.glob(os.path.join(glob.escape(str(root)), "*", file))
    return sorted(os.path.basename(os.path.dirname(path)) for path in paths)


def read_events(path: str) -> List[Event]:
    """Return the events of a stage, in order, without those of `read_health`.

    A last line cut short by a kill is left out; any other damaged line raises HarnessError.
    """
    lines = _lines(path)
    events = []
    for number, line in enumerate(lines[:-1], 1):
        if not line.strip() or line.startswith(HEALTH_LINE):
            continue
        try:
            event = jsonfile.parse(line)
        except ValueError:
            event = None
        if isinstance(event, dict) and "event" in event:
            check_event(event, f"{path} line {number}")
            events.append(event)
        elif not _was_cut(lines, number):
            raise HarnessError(f"{path} line {number}: not an event", formats.EVENT.remedy)
    return events


def stage_events(root: str, stage_id: str) -> List[Event]:
    """Return the events of a stage, in order; none before its first attempt."""
    return read_events(os.path.join(stage_dir(root, stage_id), EVENTS))


def check_event(event: Event, where: str) -> None:
    """Raise HarnessError for an event with a missing or wrong field."""
    formats.EVENT.check(event, where)
    formats.EVENTS.get(event["event"], formats.EVENT).check(event, where)


def read_health(path: str) -> List[Event]:
    """Return the health events of a stage's board, one a second, without damaged lines."""
    events = []
    for line in _lines(path)[:-1]:
        if line.startswith(HEALTH_LINE):
            with contextlib.suppress(ValueError, HarnessError):  # one second is no stage
                event = jsonfile.parse(line)
                check_event(event, path)
                events.append(event)
    return events


def _lines(path: str) -> List[bytes]:
    """Return the lines of a file, and the rest after the last line break; none without a file."""
    try:
        with open(path, "rb") as file:
            return file.read().split(b"\n")
    except (FileNotFoundError, ValueError):  # no file has a NUL in its name
        return [b""]
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read ({error.strerror})", "check its name") from None


def _was_cut(lines: List[bytes], number: int) -> bool:
    """Return whether line `number` (from 1) is the last of an attempt that was killed.

    The next attempt follows, or the reason for one.
    """
    following = (
        line for line in lines[number:] if line.strip() and not line.startswith(HEALTH_LINE)
    )
    after = next(following, b'"attempt_begin"')
    return b'"attempt_begin"' in after or b'"result_damaged"' in after
