"""Boards at the end of wires of their own: a network namespace for the desk, one for each board, a
veth pair from one to the other.

The machine's own network is not touched: the wires and their addresses exist only inside the
namespaces made here.
"""

import os
import shutil
import subprocess

from tests.harness.host.loopback import namespaces


class Network:
    """Namespaces for a desk and the named boards, until close(). OSError: not possible here, and
    nothing is left behind.
    """

    def __init__(self, *boards: str) -> None:
        self._ip = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if self._ip is None or not namespaces():
            raise OSError("root and Debian's iproute2 are needed")
        self._made: list[str] = []
        try:
            self._add("desk")
            for number, board in enumerate(boards):
                self._add(board)
                self._wire(number, board)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def address(number: int) -> str:
        """The address of a board by its place among the names."""
        return f"10.66.{number}.2"

    def enter(self, name: str = "desk") -> list[str]:
        """The words before a command that runs in the desk's namespace, or in a board's."""
        return ["nsenter", f"--net=/run/netns/{self._namespace(name)}"]

    def close(self) -> None:
        """Take the namespaces away; the wires go with them."""
        while self._made:
            subprocess.run([self._ip, "netns", "delete", self._made.pop()], capture_output=True)

    def _namespace(self, name: str) -> str:
        return f"joulebird-{os.getpid()}-{name}"

    def _run(self, *words: str) -> None:
        done = subprocess.run([self._ip, *words], capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")

    def _add(self, name: str) -> None:
        space = self._namespace(name)
        self._run("netns", "add", space)
        self._made.append(space)
        self._run("-n", space, "link", "set", "lo", "up")

    def _wire(self, number: int, board: str) -> None:
        near, far = self._namespace("desk"), self._namespace(board)
        self._run(
            "-n",
            near,
            "link",
            "add",
            f"wire{number}",
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            far,
        )
        for space, device, address in (
            (near, f"wire{number}", f"10.66.{number}.1"),
            (far, "eth0", self.address(number)),
        ):
            self._run("-n", space, "address", "add", f"{address}/30", "dev", device)
            self._run("-n", space, "link", "set", device, "up")
