"""Start, hurt and stop the real jtop service on a fake tree, from a test."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class JtopService:
    """The service of this interpreter's jetson-stats.

    `socket` is where it listens, `folder` holds the socket and its log.
    """

    def __init__(self, tree, folder, version=""):
        self.socket = os.path.join(str(folder), "jtop.sock")
        self._log = os.path.join(str(folder), "jtop.log")
        self._command = [
            sys.executable,
            os.path.join(HERE, "jtop_fake_service.py"),
            tree,
            self.socket,
            "--version",
            version,
        ]
        self.process = None
        self.server_pid = None

    def start(self):
        """Run it until it says that it is ready."""
        with open(self._log, "w") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with open(self._log) as log:
                ready = re.search(r"READY pid=(\d+)", log.read())
            if ready:
                self.server_pid = int(ready.group(1))
                return self
            time.sleep(0.05)
        with open(self._log) as log:
            raise AssertionError("the jtop service did not start:\n" + log.read())

    def signal_server(self, number):
        """Send a signal to the JtopServer process alone."""
        os.kill(self.server_pid, number)

    def stop(self):
        """End all of its processes."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        if os.path.exists(self.socket):
            os.unlink(self.socket)
