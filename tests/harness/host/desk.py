"""A desk with boards: the real command line in processes of its own, its configuration, its
runs.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from joulebird.harness.core import records as record
from joulebird.harness.host.config import BOARD_ENVIRONMENT
from tests.harness.host.loopback import LoopbackBoard

ROOT = Path(__file__).parents[3]
METHODS = Path(__file__).parent / "methods"


class Desk:
    """A folder with a configuration that names some boards, and the command `joulebird` in it."""

    def __init__(
        self,
        folder: Path,
        sockets: Path,
        *boards: LoopbackBoard,
        extra: str = "",
        enter: tuple[str, ...] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.boards, self.enter = boards, enter
        self.folder, self.runs, self.log = folder, folder / "runs", folder / "err.log"
        env = f'PYTHONPATH = "{METHODS}"\nOMP_NUM_THREADS = "1"\n'
        (folder / "config.toml").write_text(
            "\n".join(f"{board.toml(extra)}[board.{board.name}.env]\n{env}" for board in boards)
        )
        self.env = {
            **os.environ,
            "JOULEBIRD_CONFIG": str(folder / "config.toml"),
            "XDG_RUNTIME_DIR": str(sockets),
            "PYTHONPATH": f"{ROOT}:{METHODS}",
            "OMP_NUM_THREADS": "1",
            # As on the boards: another BLAS kernel gives ThiNet's residuals another last bit.
            "OPENBLAS_CORETYPE": BOARD_ENVIRONMENT["OPENBLAS_CORETYPE"],
        }
        self.running: list[subprocess.Popen] = []

    def naps(
        self,
        ratios=(0.3,),
        epochs: int = 4,
        pause_s: float = 0.2,
        name: str = "study.toml",
        device: str = "cpu",
        **options,
    ) -> str:
        """A study that sleeps; its file name. On a device other than cpu the board's torch is
        looked at first, which takes seconds.
        """
        extra = "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())
        (self.folder / name).write_text(
            '[study]\nmethods = ["naps:napping"]\nmodels = ["vgg16"]\ndatasets = '
            f'["digits"]\nprune_ratios = {list(ratios)}\nseeds = [1]\n'
            f'device = "{device}"\n'
            f'[schedule]\nepochs = {epochs}\n[method."naps:napping"]\npause_s = {pause_s}\n{extra}'
        )
        return name

    def start(self, *words: str) -> subprocess.Popen:
        """The command in the background; its talk goes to err.log."""
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                [*self.enter, sys.executable, "-m", "joulebird", *words],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.running.append(process)
        return process

    def run(self, *words: str, code: int = 0) -> str:
        """The command to its end, which must give this exit code; its output."""
        return self.end(self.start(*words), code)

    def end(self, process: subprocess.Popen, code: int = 0, timeout_s: float = 180) -> str:
        """Wait for a command's end."""
        output, _ = process.communicate(timeout=timeout_s)
        assert process.returncode == code, self.said()
        return output.decode()

    def said(self) -> str:
        """All talk so far."""
        return self.log.read_text() if self.log.exists() else ""

    def records(self) -> dict[str, record.RunRecord]:
        """Finished runs by their prune ratio and method."""
        return {
            f"{one.spec['method']} {one.spec['prune_ratio']}": one
            for one in record.find_runs(str(self.runs))
        }

    def values(self) -> dict[str, tuple]:
        """What must be the same however a study came to its end."""
        return {name: (one.accuracy, one.metrics) for name, one in self.records().items()}

    def stages(self) -> dict[str, record.StageRecord]:
        """Finished stages by id."""
        return {
            one.name: record.read_stage(str(self.runs), one.name)
            for one in (self.runs / "stages").iterdir()
        }

    def close(self) -> None:
        """End what still runs here."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()


def wait_for(condition, what: str = "", seconds: float = 120.0):
    """Poll until it gives something true; gives that."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
