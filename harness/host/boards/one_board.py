"""`joulebird run --board`: bring the runs of a study to their end on one board.

Start the work, follow it, take it up again after any fault, bring the results home.

The board works alone: it holds the lock, the job and the results. This side only starts missing
work, looks, and fetches; it can be killed, or replaced by another machine, at any time.
"""

import getpass
import json
import posixpath
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from joulebird.harness.core.errors import (
    BUG,
    BUSY,
    CHECK,
    INTERRUPTED,
    SOURCE,
    TRAINING,
    UNREACHABLE,
    USAGE,
    HarnessError,
)
from joulebird.harness.core.records import new_id
from joulebird.harness.host.boards.follow import EVERY_S, Patience, follow
from joulebird.harness.host.boards.results import fetch
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.errors import LinkError
from joulebird.harness.host.link.transfer import send
from joulebird.harness.runs.rundir import is_finished, split
from joulebird.harness.runs.spec import RunSpec

PASSED_ON = (
    USAGE,
    UNREACHABLE,
    SOURCE,
    TRAINING,
    CHECK,
    BUSY,
)
RESTARTS = 3  # in a row, without an epoch finished in between


class Wishes(NamedTuple):
    """The wishes of the command line for a run on a board; `words` go to `joulebird run` there."""

    words: tuple[str, ...] = ()
    data_dir: str | None = None
    wait: bool = False
    every_s: float = EVERY_S
    patience_s: float = float("inf")


class BoardRun:
    """The runs of a study on one board. `say` gets one line at a time."""

    def __init__(
        self, agent: Agent, root: Path, say: Callable[[str], None], wishes: Wishes
    ) -> None:
        self.agent, self.root, self.say, self.wishes = agent, root, say, wishes
        self.name = agent.board.name
        self._patience = Patience(self.name, wishes.patience_s, say)
        self._restarts, self._progress = 0, -1

    def bring_to_end(self, specs: Sequence[RunSpec]) -> None:
        """Return when every run is finished and here.

        Raises HarnessError with the exit code of the cause.
        """
        while True:
            ahead = split(str(self.root), list(specs))[1]
            if not ahead:
                return
            try:
                self._step(ahead)
            except LinkError as error:
                self._patience.lost(error)
            except KeyboardInterrupt:
                raise HarnessError(
                    f"detached from {self.name}; the run continues on the board",
                    f"the same command follows it again; "
                    f"`joulebird board stop {self.name}` ends it",
                    INTERRUPTED,
                ) from None

    def _step(self, ahead: Sequence[RunSpec]) -> None:
        """Fetch finished runs; if there are none, follow a job, or start one, to its end."""
        ids = [spec.id for spec in ahead]
        status = self.agent.call("status")
        self._patience.heard()
        if set(status["done"]) & set(ids) and set(fetch(self.agent, self.root, ids)) & set(ids):
            return
        workdir = posixpath.join(status["machine"]["home"], self.agent.board.workdir)
        job_id = self._job(status["holder"], workdir, ahead)
        if job_id is not None:
            self._ended(
                follow(self.agent, job_id, self.say, self.wishes.every_s, self._patience), ids
            )

    def _job(
        self, holder: dict[str, Any] | None, workdir: str, ahead: Sequence[RunSpec]
    ) -> str | None:
        """Return the id of the job to follow: one that has our runs already, or a new one.

        Return None after waiting for the end of another user's job.
        """
        if holder is None:
            answer = self._start(ahead)
            if "busy" not in answer:
                return str(answer["job"]["id"])
            holder = dict(answer["busy"])
        if (
            set(holder.get("runs", [])) & {spec.id for spec in ahead}
            and holder.get("workdir") == workdir
        ):
            self.say(f"{self.name} works on this already, for {owner_text(holder)}: following")
            return str(holder["job"])
        if not self.wishes.wait:
            raise HarnessError(
                f"{self.name} is in use by {owner_text(holder)}",
                "give the same command later, or with --wait; "
                "`joulebird board status` shows its jobs",
                BUSY,
            )
        self.say(f"{self.name} is in use by {owner_text(holder)}: waiting")
        self.agent.call("wait_free", timeout_s=None)
        return None

    def _start(self, ahead: Sequence[RunSpec]) -> dict[str, Any]:
        self._preflight(ahead)
        job_id = new_id()
        words = list(self.wishes.words)
        if self.wishes.data_dir:
            self.say(f"data set {self.wishes.data_dir}: making sure that {self.name} has it")
            path = send(self.agent, Path(self.wishes.data_dir))
            words += [
                "--data-dir",
                path if path.startswith("/") else posixpath.join("{home}", path),
            ]
        argv = [
            "{python}",
            "{code}",
            "run",
            posixpath.join("{workdir}", "specs", job_id + ".json"),
            "--runs",
            posixpath.join("{workdir}", "runs"),
            *words,
        ]
        job = {
            **self._command(argv),
            "id": job_id,
            "owner": {"user": getpass.getuser(), "host": socket.gethostname()},
            "runs": [spec.id for spec in ahead],
        }
        specs = {job_id + ".json": json.dumps([spec.to_dict() for spec in ahead])}
        answer: dict[str, Any] = self.agent.call("start", job=job, specs=specs)
        if "busy" not in answer:
            self.say(
                f"{self.name}: runs started: {len(ahead)}; leave with Ctrl-C, they go on there"
            )
        return answer

    def _command(self, argv: list[str]) -> dict[str, Any]:
        """Return a command in the environment of jobs; the board puts its own paths into it."""
        return {
            "argv": argv,
            "python": self.agent.board.python,
            "launcher": list(self.agent.board.launcher),
            "env": self.agent.environment(),
        }

    def _preflight(self, ahead: Sequence[RunSpec]) -> None:
        """Refuse a board whose Python, numpy or torch would waste the hours to come.

        PyPI's torch on a Jetson trains without its GPU.
        """
        if all(spec.device == "cpu" for spec in ahead):
            return
        argv = ["{python}", "{code}", "doctor", "--json", "python", "numpy", "torch"]
        answer = self.agent.call("once", timeout_s=300, job=self._command(argv))
        try:
            checks = json.loads(answer["out"])["checks"]
        except ValueError:
            message, _ = last_words(answer["err"])
            raise HarnessError(
                f"{self.name}: {message}", f"try: joulebird doctor --board {self.name}", CHECK
            ) from None
        for check in checks:
            if check["status"] == "bad":
                raise HarnessError(
                    f"{self.name}: {check['name']}: {check['found']}", check["remedy"], CHECK
                )

    def _ended(self, end: dict[str, Any], ids: list[str]) -> None:
        """Fetch finished runs, then go on (return), or raise the reason."""
        fetch(self.agent, self.root, ids)
        code = end["exit"].get("code")
        if code == 0:
            self._restarts = 0
            mine = set(end["job"].get("runs", [])) & set(ids)
            if not all(is_finished(str(self.root), run) for run in mine):
                raise HarnessError(
                    f"{self.name}: the job ended well, but its runs are not finished",
                    f"see `joulebird board logs {self.name}`",
                    BUG,
                )
            return
        if code is None or code < 0 or code == 128 + 9:
            self._count_restart(end)
            why = (
                "was switched off or rebooted" if end["rebooted"] else "lost the run: it was killed"
            )
            self.say(f"{self.name} {why}; going on from the last checkpoint")
            return
        last = last_words(end["exit"].get("tail", ""))
        if code == INTERRUPTED:
            raise HarnessError(
                f"{self.name}: the run was stopped",
                "the same command goes on from the last checkpoint",
                INTERRUPTED,
            )
        raise HarnessError(f"{self.name}: {last[0]}", last[1], code if code in PASSED_ON else BUG)

    def _count_restart(self, end: dict[str, Any]) -> None:
        """Raise HarnessError after too many restarts without progress."""
        self._restarts = 1 if end["progress"] > self._progress else self._restarts + 1
        self._progress = end["progress"]
        if self._restarts > RESTARTS:
            last = last_words(end["exit"].get("tail", ""))
            raise HarnessError(
                f"{self.name}: the run was killed {self._restarts} times "
                f"without finishing an epoch: {last[0]}",
                f"not enough memory? see `joulebird board logs {self.name}`",
                TRAINING,
            )


def last_words(tail: str) -> tuple[str, str]:
    r"""Return the message and the hint with which a job ended, from its last lines.

    >>> last_words("training\njoulebird: the disk is full\n  free some space\n")
    ('the disk is full', 'free some space')
    """
    lines = tail.rstrip().splitlines()
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].startswith("joulebird: "):
            return lines[index].partition(": ")[2], "".join(lines[index + 1 : index + 2]).strip()
    return (
        lines[-1].strip() if lines else "it ended without a word"
    ), "see `joulebird board logs` for all it said"


def owner_text(owner: dict[str, Any]) -> str:
    """Return the holder of a board in words.

    >>> owner_text({"user": "ann", "host": "desk"})
    'ann (desk)'
    """
    return (
        f"{owner.get('user') or 'another user'} ({owner.get('host') or 'unknown machine'})"
        if owner
        else "another user"
    )
