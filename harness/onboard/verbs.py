"""The verbs that the host calls on the board (docs/board-protocol.md).

The arguments are a JSON object on stdin, the answer is JSON lines on stdout. An error that the
user can fix is one line {"error": message, "hint": hint, "exit_code": code}; any other is a bug,
with its traceback on stderr.
"""

import errno
import json
import os
import sys
from typing import Any, Callable, Dict, List, Optional

from joulebird.harness.core import lock
from joulebird.harness.core.errors import UNREACHABLE, HarnessError
from joulebird.harness.core.files import write_whole
from joulebird.harness.onboard import files, follow, jobs, machine, supervise

REMEDIES = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT),
        "the board's disk is full: make room there (df -h), then the same command goes on",
    ),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        "choose a workdir, cache and lock that you may write there, under [board.NAME]",
    ),
}


def start(asked: Dict[str, Any]) -> Any:
    """Start a job, or return the holder of the board."""
    workdir = asked["workdir"]
    for name in ("runs", "specs"):
        os.makedirs(os.path.join(workdir, name), exist_ok=True)
    for name, text in asked.get("specs", {}).items():
        write_whole(os.path.join(workdir, "specs", name), text)
    job = dict(supervise.composed(workdir, asked["job"]), cwd=workdir, lock=asked["lock"])
    return supervise.start(workdir, job)


def wait_free(asked: Dict[str, Any]) -> Any:
    """Sleep until the board is free."""
    lock.wait_until_free(asked["lock"])
    return {}


# Each takes the object read from stdin and returns the answer.
ONCE: Dict[str, Callable[[Dict[str, Any]], Any]] = {
    "facts": lambda asked: machine.facts(asked["workdir"]),
    "once": lambda asked: supervise.once(asked["workdir"], asked["job"]),
    "status": lambda asked: follow.status(asked["workdir"], asked["lock"]),
    "start": start,
    "stop": lambda asked: follow.stop(asked["workdir"], asked["run"]),
    "log": lambda asked: follow.log(_job(asked), asked["offset"]),
    "finished": lambda asked: files.of_runs(os.path.join(asked["workdir"], "runs"), asked["runs"]),
    "settle": lambda asked: files.settle(asked["part"], asked["final"], asked["hash"]),
    "clean": lambda asked: files.clean(
        *(asked[name] for name in ("workdir", "lock", "fetched", "cache", "keep", "remove"))
    ),
    "wait_free": wait_free,
    "play": lambda asked: machine.play(asked["lock"], asked["chip_s"]),
}


def main(argv: Optional[List[str]] = None) -> int:
    """Run one verb; return the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        if argv[0] == "echo":
            machine.echo(0, 1)
        elif argv[0] == "supervise":
            return supervise.supervise(argv[1])
        elif argv[0] == "follow":
            asked = _asked(sys.stdin.readline())
            path, offset = _job(asked), asked["offset"]
            follow.follow(path, offset, asked["every_s"], _emit, follow.input_ends)
        else:
            _emit(ONCE[argv[0]](_asked(sys.stdin.read())))
    except HarnessError as error:
        _emit({"error": error.message, "hint": error.hint, "exit_code": error.exit_code})
    except OSError as error:
        problem = f"{error.filename or 'on the board'}: {error.strerror}"
        hint = REMEDIES.get(error.errno or 0, "look at the board: is its disk healthy and mounted?")
        _emit({"error": problem, "hint": hint, "exit_code": UNREACHABLE})
    return 0


def _asked(text: str) -> Dict[str, Any]:
    """Return the object with its paths absolute: the host gives them relative to the home."""
    asked: Dict[str, Any] = json.loads(text)
    paths = {
        name: machine.home(asked[name])
        for name in ("workdir", "cache", "part", "final")
        if name in asked
    }
    return dict(asked, lock=lock.machine(asked.get("lock", "")), **paths)


def _emit(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _job(asked: Dict[str, Any]) -> str:
    """Return the folder of the job that is named, or of the newest."""
    return jobs.find(asked["workdir"], asked["run"])
