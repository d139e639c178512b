"""The verbs that the host calls on the board (docs/board-protocol.md).

The arguments are a JSON object on stdin, the answer is JSON lines on stdout. An error that the
user can fix is one line {"error": message, "hint": hint, "exit_code": code}; any other is a bug,
with its traceback on stderr.
"""

import errno
import json
import os
import subprocess
import sys
from typing import Any, Callable, Dict, List, Optional

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.exit_codes import UNREACHABLE
from joulebird.harness.core.process import ROOT
from joulebird.harness.onboard import files, follow, machine, supervise
from joulebird.harness.onboard import job as jobs

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
    workdir, job = _home(asked["workdir"]), _composed(asked)
    os.makedirs(os.path.join(workdir, "runs"), exist_ok=True)
    for name, text in asked.get("specs", {}).items():
        path = os.path.join(workdir, "specs", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    return supervise.start(workdir, dict(job, cwd=workdir))


def once(asked: Dict[str, Any]) -> Any:
    """Run a short command in a job's environment; return its exit code and output."""
    job = _composed(asked)
    done = subprocess.run(
        job["argv"],
        env=dict(os.environ, **job["env"]),
        cwd=os.path.expanduser("~"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return {
        "code": done.returncode,
        "out": done.stdout.decode("utf-8", "replace"),
        "err": done.stderr.decode("utf-8", "replace"),
    }


def wait_free(asked: Dict[str, Any]) -> Any:
    """Sleep until the board is free."""
    jobs.wait_until_free(asked["lock"])
    return {}


# Each takes the object read from stdin and returns the answer.
ONCE: Dict[str, Callable[[Dict[str, Any]], Any]] = {
    "facts": lambda asked: machine.facts(_home(asked["workdir"])),
    "once": once,
    "status": lambda asked: follow.status(_home(asked["workdir"]), asked["lock"]),
    "start": start,
    "stop": lambda asked: follow.stop(_home(asked["workdir"]), asked.get("run")),
    "log": lambda asked: follow.log(_job(asked), asked.get("offset", 0)),
    "finished": lambda asked: files.of_runs(
        os.path.join(_home(asked["workdir"]), "runs"), asked["runs"]
    ),
    "settle": lambda asked: files.settle(
        _home(asked["part"]), _home(asked["final"]), asked["hash"]
    ),
    "clean": lambda asked: files.clean(
        _home(asked["workdir"]),
        asked["lock"],
        asked["fetched"],
        _home(asked["cache"]),
        asked["keep"],
        asked["remove"],
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
            asked = json.loads(sys.stdin.readline())
            follow.follow(
                _job(asked), asked.get("offset", 0), asked["every_s"], _emit, follow.input_ends
            )
        else:
            _emit(ONCE[argv[0]](json.loads(sys.stdin.read())))
    except HarnessError as error:
        _emit({"error": error.message, "hint": error.hint, "exit_code": error.exit_code})
    except OSError as error:
        _emit(
            {
                "error": f"{error.filename or 'on the board'}: {error.strerror}",
                "hint": REMEDIES.get(
                    error.errno or 0, "look at the board: is its disk healthy and mounted?"
                ),
                "exit_code": UNREACHABLE,
            }
        )
    return 0


def _composed(asked: Dict[str, Any]) -> Dict[str, Any]:
    """Return a job with its whole command line: paths absolute, the launcher first.

    The host gives paths relative to the home.
    """
    job: Dict[str, Any] = asked["job"]
    paths = [_home(part) for part in job["env"].get("PYTHONPATH", "").split(os.pathsep) if part]
    if paths:
        job["env"]["PYTHONPATH"] = os.pathsep.join(paths)
    if job["launcher"]:  # a container has its own environment: say everything again inside
        variables = [f"{name}={value}" for name, value in sorted(job["env"].items())]
        job["argv"] = job["launcher"] + ["env"] + variables + job["argv"]
    names = {
        "{workdir}": _home(asked["workdir"]),
        "{home}": os.path.expanduser("~"),
        "{code}": ROOT,
        "{python}": job["python"],
    }
    for name, path in names.items():
        job["argv"] = [word.replace(name, path) for word in job["argv"]]
    return job


def _emit(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _home(path: str) -> str:
    """Return an absolute path; a relative one is relative to the home."""
    return os.path.join(os.path.expanduser("~"), path)


def _job(asked: Dict[str, Any]) -> str:
    """Return the folder of the job that is named, or of the newest."""
    return follow.find(_home(asked["workdir"]), asked.get("run"))
