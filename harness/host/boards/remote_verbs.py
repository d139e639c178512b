"""`sources`, `watch` and `doctor` with --board: run the same verb there, show its answer here."""

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from joulebird.harness.cli.arguments import Namespace, single
from joulebird.harness.cli.output import put
from joulebird.harness.cli.parser import Parser, add
from joulebird.harness.core.errors import CHECK, DONE, SOURCE
from joulebird.harness.doctor.check import OK, WARN, CheckResult
from joulebird.harness.host.boards.chosen import agent
from joulebird.harness.host.boards.one_board import owner_text
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.errors import LinkError, ssh_error
from joulebird.harness.host.link.transfer import rsync_here
from joulebird.harness.verbs.doctor import show
from joulebird.harness.verbs.watch import Reading, Shown, display

CLOCK_SKEW_S = 60.0
OURS = ("--board", "--form", "--json", "--output")


def main(verb: str, args: Namespace, words: Sequence[str]) -> int:
    """Run the verb on the board `args.board` with these words; return its exit code.

    The options of `OURS` act here; the board is asked in the form that is needed here.
    """
    ours = Parser(add_help=False)
    add(ours, OURS)
    rest = ours.parse_known_args(list(words))[1]
    there = agent(single(args.board, "--board"))
    return {"sources": sources, "watch": watch, "doctor": doctor}[verb](there, args, rest)


def sources(there: Agent, args: Namespace, words: list[str]) -> int:
    """Print the sources of the board."""
    code, text = ask(there, ["sources", "--form", args.form, *words])
    put(text, args.output)
    return code


def doctor(there: Agent, args: Namespace, words: list[str]) -> int:
    """Check the way to the board, then the board; return 6 when something is wrong."""
    begun_s = time.monotonic()
    there.deployed  # noqa: B018 - connects, and puts the code there
    answer_s = time.monotonic() - begun_s
    mine = [] if args.check else way(there, answer_s)
    _, text = ask(there, ["doctor", "--json", *words])
    results = mine + [
        CheckResult(**{name: check[name] for name in CheckResult._fields})
        for check in json.loads(text)["checks"]
    ]
    return show(results, args)


def way(there: Agent, answer_s: float) -> list[Any]:
    """Return the checks of the way from this machine to the board."""
    status = there.call("status")
    machine, name = status["machine"], there.board.name
    skew_s = machine["wall_s"] - time.time()
    both = bool(rsync_here()) and there.deployed.has_rsync
    return [
        CheckResult(*words, fixed="")
        for words in (
            (
                "ssh",
                OK,
                f"{there.board.host} answers ({answer_s:.1f} s with the code sent, if it was)",
                "",
            ),
            ("code", OK, f"{there.deployed.path}", ""),
            (
                "rsync",
                OK if both else WARN,
                "here and there" if both else "not on both sides: tar is used instead",
                "install rsync 3 here and there: interrupted copies then go on where they were",
            ),
            (
                "linger",
                OK,
                "on: runs are units of the user's systemd"
                if machine["linger"]
                else "off: runs get a session of their own",
                "",
            ),
            (
                "lock",
                OK if status["holder"] is None else WARN,
                "nobody measures"
                if status["holder"] is None
                else f"in use by {owner_text(status['holder'])}",
                f"see `joulebird board status {name}`",
            ),
            (
                "date",
                OK if abs(skew_s) < CLOCK_SKEW_S else WARN,
                f"the board's date is {round(skew_s):+d} s from this machine's",
                "sudo timedatectl set-ntp true "
                "(energies are not touched by it, the dates in the records are)",
            ),
        )
    ]


def ask(there: Agent, words: Sequence[str]) -> tuple[int, str]:
    """Run `joulebird` on the board to its end: exit code and output; its messages are passed on.

    Raises LinkError when the connection fails.
    """
    done = there.link.run(there.python(*words), there.environment(), check=False, timeout_s=600)
    sys.stderr.write(done.stderr)
    if not done.stdout.strip() and done.status not in (
        DONE,
        SOURCE,
        CHECK,
    ):
        raise LinkError(
            f"{there.board.name}: `joulebird {words[0]}` failed there with code {done.status}",
            "see its messages above",
        )
    return done.status, done.text


def watch(there: Agent, args: Namespace, words: list[str]) -> int:
    """Show live power of the board, drawn here from one JSON line a second at most."""
    slow = [] if args.every >= 1.0 else ["--every", "1"]
    argv = there.python("watch", "--json", *words, *slow)
    show: Any = None
    with contextlib.suppress(KeyboardInterrupt):
        with there.link.channel(argv, there.environment()) as process:
            for line in process.stdout:
                facts = json.loads(line)
                reading = Reading(*(facts[name] for name in Reading._fields))
                if show is None:
                    rails = list(dict.fromkeys([*facts["total"], *reading.watts]))
                    shown = Shown(facts["source"], facts["real"], rails, facts["total"])
                    show = display(shown, args.form)
                show(reading)
            process.wait()
        sys.stderr.write(process.messages)
        if process.returncode == 255:
            raise ssh_error(there.board.host, process.messages)
        return process.returncode
    return 0
