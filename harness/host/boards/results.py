"""Bring finished runs home with all their files; finished ones here are never overwritten."""

from pathlib import Path, PurePosixPath

from joulebird.harness.core import records
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.transfer import missing, pull

BOARD_LOG = "power-board.csv"  # the board's own log, set aside when a meter on the desk measures


def fetch(agent: Agent, root: Path, run_ids: list[str]) -> list[str]:
    """Fetch those of these runs (default: all) that are finished on the board; return their ids.

    Raises LinkError.

    A stage or run that is finished here stays as it is, even when the board has its own: the same
    recipe is one result.
    """
    answer = agent.call("finished", runs=run_ids)
    names = missing(root, [tuple(one) for one in answer["files"]])
    names = [name for name in names if not _finished_here(root, name)]
    if names:
        root.mkdir(parents=True, exist_ok=True)
        pull(agent.link, f"{agent.board.workdir}/runs", root, names, agent.deployed.has_rsync)
    return list(answer["done"])


def _finished_here(root: Path, name: str) -> bool:
    parts = PurePosixPath(name).parts
    if parts[0] == "idle":  # a meter's log has taken the place of the board's
        return (root / PurePosixPath(name).parent / BOARD_LOG).exists()
    if parts[0] == "stages" and len(parts) > 2:
        return records.is_done(records.stage_dir(str(root), parts[1]), records.STAGE)
    return len(parts) > 1 and records.is_done(records.run_dir(str(root), parts[0]))
