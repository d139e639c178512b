"""A board on this machine: a real sshd on the loopback address, with its own keys, home, Python
and, where possible, its own kernel views.

As root (CI) the board lives in process, mount and host-name namespaces of its own: it can be
"switched off" with everything that runs on it, comes up with another boot_id, and sees a TX2's
/sys. Elsewhere it is a plain sshd, and the tests that need more say so.
"""

import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

from joulebird.harness.host.config import Board
from joulebird.harness.host.link.ssh import Link

SETUP = r"""
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount --bind "$BOARD/boot_id" /proc/sys/kernel/random/boot_id
if [ -d "$BOARD/tree/sys" ]; then mount --rbind "$BOARD/tree/sys" /sys; fi
if [ -n "$DISK" ]; then mountpoint -q "$BOARD/home/disk" || mount -t tmpfs -o "size=$DISK" tmpfs "$BOARD/home/disk"; fi
hostname "$NAME"
exec /usr/sbin/sshd -D -f "$BOARD/sshd_config" -E "$BOARD/sshd.log"
"""
LOGIN = """#!/bin/sh
cd "$HOME" || exit 1
if [ -n "$SSH_ORIGINAL_COMMAND" ]; then exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"; else exec /bin/sh -i; fi
"""


def sshd_path() -> str | None:
    """The sshd to start, or None."""
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def python36() -> str | None:
    """A Python 3.6 with torch, for the board: JOULEBIRD_PYTHON36, else the board suite's
    environment, else python3.6 or pyenv's.
    """
    root = Path(__file__).parents[3]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        os.environ.get("JOULEBIRD_PYTHON36"),
        str(root / ".venv36/bin/python"),
        shutil.which("python3.6"),
        *map(str, sorted(pyenv.glob("3.6.*/bin/python3.6"))),
    ]
    check = "import sys, torch; sys.exit(sys.version_info[:2] != (3, 6))"
    for path in filter(None, candidates):
        if (
            os.path.exists(path)
            and subprocess.run([path, "-c", check], capture_output=True).returncode == 0
        ):
            return path
    return None


def namespaces() -> bool:
    """Whether a board may have namespaces of its own here."""
    probe = [
        "unshare",
        "--mount",
        "--pid",
        "--uts",
        "--fork",
        "mount",
        "-t",
        "proc",
        "proc",
        "/proc",
    ]
    return (
        os.getuid() == 0
        and shutil.which("unshare") is not None
        and subprocess.run(probe, capture_output=True).returncode == 0
    )


def free_port() -> int:
    """Return a port of the loopback address without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class LoopbackBoard:
    """One board; a context manager. `disk` (a size for tmpfs) gives it a small disk of its own,
    home/disk; `enter` (words before its first command) and `address` put it on a network of its
    own.
    """

    def __init__(
        self,
        root: Path,
        name: str = "alpha",
        python: str = sys.executable,
        disk: str = "",
        isolated: bool | None = None,
        without: tuple[str, ...] = (),
        ahead_s: int = 0,
        enter: tuple[str, ...] = (),
        address: str = "127.0.0.1",
    ) -> None:
        self.ahead_s, self.enter, self.address = ahead_s, enter, address
        self.root, self.name, self.disk = root, name, disk
        self.home, self.bin = root / "home", root / "bin"
        self.isolated = namespaces() if isolated is None else isolated
        self.port = free_port()
        self.process: subprocess.Popen | None = None
        (self.home / "disk").mkdir(parents=True)
        self.bin.mkdir()
        self._tools(python, without)
        self._keys()

    def _tools(self, python: str, without: tuple[str, ...]) -> None:
        """The board's PATH: the system's tools but those in `without`, and its own python3."""
        self.path = f"{self.bin}:/usr/bin:/bin:/usr/sbin:/sbin"
        if without:
            self.path = str(self.bin)
            for folder in ("/usr/bin", "/bin"):
                for tool in os.listdir(folder):
                    if tool not in (*without, "python3") and not (self.bin / tool).exists():
                        (self.bin / tool).symlink_to(f"{folder}/{tool}")
        if "python3" not in without:
            self.script("python3", f'#!/bin/sh\nexec "{python}" "$@"\n')

    def script(self, name: str, text: str) -> None:
        """Put a program on the board's PATH."""
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def _keys(self) -> None:
        for key in ("host_key", "user_key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.root / key)],
                check=True,
            )
        shutil.copy(self.root / "user_key.pub", self.root / "authorized_keys")
        self.script("login", LOGIN)
        (self.root / "sshd_config").write_text(
            "\n".join(
                [
                    f"Port {self.port}",
                    f"ListenAddress {self.address}",
                    f"HostKey {self.root}/host_key",
                    f"PidFile {self.root}/sshd.pid",
                    f"AuthorizedKeysFile {self.root}/authorized_keys",
                    "UsePAM no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "PermitRootLogin yes",
                    "StrictModes no",
                    f"ForceCommand {self.bin}/login",
                    f"SetEnv HOME={self.home} PATH={self.path}",
                    "MaxSessions 50",
                    "MaxStartups 50",
                    "",
                ]
            )
        )
        self.know()
        self.ssh_config = self.root / "ssh_config"
        self.ssh_config.write_text(
            "\n".join(
                [
                    f"Host {self.name}",
                    f"  HostName {self.address}",
                    f"  Port {self.port}",
                    f"  User {getpass.getuser()}",
                    f"  IdentityFile {self.root}/user_key",
                    "  IdentitiesOnly yes",
                    f"  UserKnownHostsFile {self.root}/known_hosts",
                    "  GlobalKnownHostsFile /dev/null",
                    "  StrictHostKeyChecking yes",
                    "  IdentityAgent none",
                    "",
                ]
            )
        )

    def know(self, key: str = "") -> None:
        """Write known_hosts with the board's true key, or with another one."""
        key = key or (self.root / "host_key.pub").read_text()
        (self.root / "known_hosts").write_text(f"[{self.address}]:{self.port} {key}\n")

    def boot(self) -> None:
        """Switch the board on: another boot_id, and wait until it answers."""
        (self.root / "boot_id").write_text(f"{uuid.uuid4()}\n")
        before = self.log()
        if self.isolated:
            os.makedirs("/run/sshd", exist_ok=True)
            clock = ["--time", "--monotonic", str(self.ahead_s)] if self.ahead_s else []
            argv = [
                "unshare",
                *clock,
                "--mount",
                "--pid",
                "--uts",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                SETUP,
            ]
        else:
            argv = [
                sshd_path(),
                "-D",
                "-f",
                str(self.root / "sshd_config"),
                "-E",
                str(self.root / "sshd.log"),
            ]
        env = {
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
            "BOARD": str(self.root),
            "DISK": self.disk,
            "NAME": self.name,
        }
        with open(self.root / "boot.log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.enter, *argv],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = (
            time.monotonic() + 30
        )  # its log is read, for from here its network may be out of reach
        while time.monotonic() < deadline and self.process.poll() is None:
            if "Server listening" in self.log()[len(before) :]:
                return
            time.sleep(0.02)
        raise RuntimeError(
            f"the board did not boot: {(self.root / 'boot.log').read_text()} {self.log()}"
        )

    def off(self) -> None:
        """Switch it off: everything that runs on it dies at once."""
        if self.process is not None and self.process.poll() is None:
            if not self.isolated:
                self.cut()
            self.process.kill()
            self.process.wait()
        self.process = None

    def reboot(self) -> None:
        """Lose power, come back."""
        self.off()
        self.boot()

    def cut(self) -> int:
        """Break every connection to the board; what runs detached on it goes on. Gives how many
        were cut.
        """
        victims = [
            pid
            for pid in _children(self.process.pid)
            if "sshd" in _name(pid) and _name(pid).find("-D") < 0
        ]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        return len(victims)

    def board(self, **changes) -> Board:
        """How joulebird reaches it."""
        ours = {
            "name": self.name,
            "host": self.name,
            "ssh": ("ssh", "-F", str(self.ssh_config)),
            "lock": str(self.root / "board.lock"),
        }
        return Board(**{**ours, **changes})

    def toml(self, extra: str = "") -> str:
        """Its table in a configuration file."""
        words = json.dumps(["ssh", "-F", str(self.ssh_config)])
        return (
            f'[board.{self.name}]\nhost = "{self.name}"\nssh = {words}\nlock = '
            f'"{self.root}/board.lock"\n{extra}\n'
        )

    def link(self, sockets: Path, **changes) -> Link:
        """A line to it."""
        return Link(self.board(**changes), sockets)

    def log(self) -> str:
        """What its sshd wrote."""
        path = self.root / "sshd.log"
        return path.read_text() if path.exists() else ""

    def __enter__(self):
        self.boot()
        return self

    def __exit__(self, *error) -> None:
        self.off()


def _children(pid: int) -> list[int]:
    """All descendants of a process, from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            parents.setdefault(parent, []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        for child in parents.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
