"""The boards that are meant: flags, else JOULEBIRD_BOARD, else the configuration."""

import argparse

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host import config
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.ssh import Link

HERE = "here"  # the board's name that means this machine


def names(args: argparse.Namespace) -> list[str]:
    """Return the names of the boards; none means this machine."""
    chosen = list(dict.fromkeys(args.board)) if args.board else default_names(config.load())
    return [name for name in chosen if name != HERE]


def default_names(found: config.Config) -> list[str]:
    """Return the names in JOULEBIRD_BOARD or the configuration, split at commas.

    >>> default_names(config.Config(defaults={"board": "tx2-a, the new one"}))
    ['tx2-a', 'the new one']
    """
    names = found.value("board").split(",")
    return [name.strip() for name in names if name.strip()]


def runs_folder(flag: str | None = None) -> str:
    """Return the folder of the runs: the flag, JOULEBIRD_RUNS, the configuration's, or runs."""
    return config.load().value("runs", "runs") if flag is None else flag


def agent(name: str | None) -> Agent:
    """Return the agent of the named board, else of the default one.

    Raises HarnessError without either.
    """
    found = config.load()
    chosen = name or next(iter(default_names(found)), HERE)
    if chosen == HERE:
        known = ", ".join(sorted(found.boards))
        raise HarnessError(
            "name a board",
            f"known: {known}" if known else "describe one with `joulebird board add`",
        )
    return Agent(Link(found.board(chosen)))
