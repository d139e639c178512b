"""Start a job so that it outlives the connection, or run a short command to its end."""

import os
import subprocess
import time
from typing import Any, Dict, List

from joulebird.harness.core import lock
from joulebird.harness.core.errors import BUSY, UNREACHABLE, HarnessError
from joulebird.harness.core.process import ROOT, python_command
from joulebird.harness.onboard import job as jobs
from joulebird.harness.onboard import machine

START_TIMEOUT_S = 30.0
SILENT: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)


def start(workdir: str, job: Dict[str, Any]) -> Dict[str, Any]:
    """Start a job detached and wait until it holds the board's lock.

    Return `job.read` of it, or {"busy": its holder}. `job` has id, argv, env, cwd, lock, owner and
    runs. With lingering on it is a unit of the user's systemd, else a session of its own.
    """
    held = lock.holder(job["lock"])
    if held is not None:
        return {"busy": held}
    path = jobs.create(workdir, job)
    command = python_command("joulebird.harness.onboard.verbs:main", "supervise", path)
    if not (machine.lingers() and _by_systemd(job, command)):
        # in a session of its own, with no descriptor of the connection left open
        subprocess.Popen(command, start_new_session=True, **SILENT)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        present = jobs.read(path)
        if present["exit"].get("code") == BUSY and not present["state"]:
            return {"busy": lock.holder(job["lock"]) or {}}
        if present["state"] or present["exit"]:
            return present
        time.sleep(0.02)
    raise HarnessError(
        f"the job did not start within {START_TIMEOUT_S:.0f} s",
        f"look on the board: {os.path.join(path, jobs.LOG)}",
        UNREACHABLE,
    )


def composed(workdir: str, job: Dict[str, Any]) -> Dict[str, Any]:
    """Return a job with its whole command line: paths absolute, the launcher first."""
    paths = [
        machine.home(part) for part in job["env"].get("PYTHONPATH", "").split(os.pathsep) if part
    ]
    if paths:
        job["env"]["PYTHONPATH"] = os.pathsep.join(paths)
    if job["launcher"]:  # a container has its own environment: say everything again inside
        variables = [f"{name}={value}" for name, value in sorted(job["env"].items())]
        job["argv"] = job["launcher"] + ["env"] + variables + job["argv"]
    names = {
        "{workdir}": workdir,
        "{home}": os.path.expanduser("~"),
        "{code}": ROOT,
        "{python}": job["python"],
    }
    for name, path in names.items():
        job["argv"] = [word.replace(name, path) for word in job["argv"]]
    return job


def once(workdir: str, job: Dict[str, Any]) -> Dict[str, Any]:
    """Run a short command in a job's environment; return its exit code and output."""
    job = composed(workdir, job)
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


def _by_systemd(job: Dict[str, Any], command: List[str]) -> bool:
    """Start as a transient unit; return False when systemd refuses.

    The unit gets our whole environment: the user's manager has another one.
    """
    argv = ["systemd-run", "--user", "--collect", "--quiet", f"--unit=joulebird-{job['id']}", "--"]
    argv += ["env"] + [f"{name}={value}" for name, value in os.environ.items()] + command
    return subprocess.run(argv, **SILENT).returncode == 0
