"""Talk to `joulebird.harness.onboard` on a board: a verb and JSON there, JSON back."""

import contextlib
import json
import posixpath
from collections.abc import Iterator
from typing import Any

from joulebird.harness.host.link.deploy import Code, Deployed, deploy
from joulebird.harness.host.link.errors import LinkError
from joulebird.harness.host.link.ssh import Channel, Link


class Agent:
    """A board with our code on it, deployed at the first call; one connection serves everything."""

    def __init__(self, link: Link, code: Code | None = None) -> None:
        self.link, self.board, self._code = link, link.board, code
        self._deployed: Deployed | None = None

    @property
    def deployed(self) -> Deployed:
        """Where the code is; it is put there first."""
        if self._deployed is None:
            self._deployed = deploy(self.link, self._code)
        return self._deployed

    def environment(self) -> dict[str, str]:
        """Return every variable for a Python on the board."""
        return {**self.board.environment(), "JOULEBIRD_CODE": self.deployed.sha256}

    def python(self, *words: str) -> list[str]:
        """Return the command that runs `joulebird WORDS` on the board.

        The code is run as a file: with `-m`, Python would search the folder in which it starts.
        """
        return [self.board.python, posixpath.join(".", self.deployed.path), *words]

    def call(self, verb: str, timeout_s: float | None = 120.0, **asked: Any) -> Any:
        """Ask one question, return its answer. Raises LinkError with the board's words."""
        result = self.link.run(
            self.python("onboard", verb),
            self.environment(),
            stdin=self._question(asked),
            timeout_s=timeout_s,
            check=False,
        )
        return self._answer(verb, result.text, result.stderr, result.status)

    @contextlib.contextmanager
    def channel(self, verb: str, **asked: Any) -> Iterator[Channel]:
        """Give the process of a verb that goes on talking (follow, echo) within the context."""
        with self.link.channel(self.python("onboard", verb), self.environment()) as process:
            if verb != "echo":
                process.stdin.write(self._question(asked))
                process.stdin.flush()
            yield process

    def value(self, line: bytes) -> Any:
        """Return the value of a line of the board; raises LinkError when it is an error."""
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            error = LinkError(f"{self.board.name}: {answer['error']}", answer["hint"])
            error.exit_code = answer["exit_code"]
            raise error
        return answer

    def _question(self, asked: dict[str, Any]) -> bytes:
        board = self.board
        return json.dumps({"workdir": board.workdir, "lock": board.lock, **asked}).encode() + b"\n"

    def _answer(self, verb: str, text: str, stderr: str, status: int) -> Any:
        lines = text.strip().splitlines()
        if status == 0 and lines:
            with contextlib.suppress(ValueError):
                return self.value(lines[-1].encode())
        last = (stderr.strip().splitlines() or [f"exit status {status}"])[-1]
        if "can't open file" in last or "can't find '__main__'" in last:
            self._deployed = None  # the cache was cleaned between two calls
        silence = "a login script there must print nothing"
        hint = "it must be Python 3.6 or newer" if status else silence
        if "cannot execute" in last or "not found" in last or "No such file" in last:
            hint = "name the interpreter there: python = under [board.NAME]"
        raise LinkError(
            f"{self.board.name}: Python on the board failed: {last}",
            hint,
        )
