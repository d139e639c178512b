"""The loopback board as fixtures. What is missing on a machine is said, never passed over in
silence.
"""

import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

from tests.harness.host.desk import Desk
from tests.harness.host.loopback import LoopbackBoard, namespaces, python36, sshd_path
from tests.harness.host.network import Network


def need(found, what: str, how: str) -> None:
    """Skip loudly; in CI, fail."""
    if found:
        return
    message = f"LEFT OUT: {what} is missing; {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    warnings.warn(message, stacklevel=2)
    pytest.skip(message)


@pytest.fixture(scope="session")
def needs_sshd():
    """sshd, ssh, ssh-keygen and rsync."""
    for program, found in [("sshd", sshd_path())] + [
        (program, shutil.which(program)) for program in ("ssh", "ssh-keygen", "rsync")
    ]:
        need(
            found,
            program,
            "on Debian and Ubuntu: sudo apt-get install openssh-server openssh-client rsync",
        )


@pytest.fixture(scope="session")
def needs_namespaces():
    """A board that can be rebooted, with a TX2's /sys."""
    need(
        namespaces(),
        "the right to make namespaces",
        "run these tests as root, in a container of your own",
    )


@pytest.fixture(scope="session")
def old_python():
    """A Python 3.6 with the board's torch."""
    found = python36()
    need(
        found,
        "a Python 3.6 with torch 1.10",
        "make test-board makes one; or name it in JOULEBIRD_PYTHON36",
    )
    return found


@pytest.fixture
def sockets():
    """A folder for ssh's connection sockets; short, for a socket's path has at most 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="jb-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def new_board(needs_sshd, tmp_path):
    """Make boards; they are switched off at the end."""
    boards = []

    def make(name: str = "alpha", **options) -> LoopbackBoard:
        board = LoopbackBoard(tmp_path / name, name, **options)
        boards.append(board)
        board.boot()
        return board

    yield make
    for board in boards:
        board.off()


@pytest.fixture
def alpha(new_board):
    """A board that runs this Python."""
    return new_board("alpha", python=sys.executable)


@pytest.fixture
def link(alpha, sockets):
    """A line to alpha."""
    return alpha.link(sockets)


@pytest.fixture
def new_desk(tmp_path, sockets):
    """Make desks that know some boards; what they started is ended."""
    desks = []

    def make(*boards, name: str = "desk", **options) -> Desk:
        desk = Desk(tmp_path / name, sockets, *boards, **options)
        desks.append(desk)
        return desk

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(new_desk, alpha):
    """A desk that knows alpha."""
    return new_desk(alpha)


@pytest.fixture
def network():
    """Wires to the boards alpha and beta; None where there can be none, which is said: the
    boards are on the loopback address then.
    """
    try:
        wires = Network("alpha", "beta")
    except OSError as error:
        warnings.warn(
            "two boards on the loopback address, for they can have no networks of their own: "
            f"{error}",
            stacklevel=2,
        )
        yield None
        return
    yield wires
    wires.close()


@pytest.fixture
def pair_desk(network, new_board, new_desk):
    """A desk with two boards, each at the end of a wire of its own where that is possible."""
    if network is None:
        return new_desk(new_board("alpha"), new_board("beta"))
    boards = [
        new_board(name, enter=network.enter(name), address=network.address(number))
        for number, name in enumerate(("alpha", "beta"))
    ]
    return new_desk(*boards, enter=network.enter())
