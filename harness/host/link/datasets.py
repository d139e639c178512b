"""Send a data set to a board once: it lies there under its hash, whole or not at all."""

import posixpath
from pathlib import Path

from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.ssh import Link
from joulebird.harness.host.link.transfer import push
from joulebird.harness.onboard.files import tree_hash, walk


def send(agent: Agent, folder: Path) -> str:
    """Return the board's path of this folder's contents, sent there if absent.

    Raises LinkError, or HarnessError for an empty folder.
    """
    digest = tree_hash(str(folder))
    final = posixpath.join(agent.board.cache, "data", digest[:16])
    if not _exists(agent.link, final):
        part = final + ".part"
        names = [Path(path).relative_to(folder).as_posix() for path in walk(str(folder))]
        push(agent.link, folder, part, names, agent.deployed.has_rsync)
        agent.call("settle", timeout_s=None, part=part, final=final, hash=digest)
    return final


def _exists(link: Link, path: str) -> bool:
    return link.run(["test", "-d", path], check=False).status == 0
