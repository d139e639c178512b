"""No file in the current folder, here or in the board's home, shadows a module in a board's run."""

import subprocess
import sys

import pytest

from tests import hostile


@pytest.mark.slow
def test_a_run_on_a_board(desk, alpha):
    hostile.fill(desk.folder)
    hostile.fill(alpha.home)
    study = desk.naps(ratios=(0.3,), epochs=2)
    done = subprocess.run(
        [sys.executable, hostile.write_command(desk.folder.parent), "run", study]
        + ["--board", "alpha", "--runs", "runs", "--source", "simulated", "--idle", "0.5"],
        cwd=desk.folder,
        env=desk.env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "SHADOWED" not in done.stderr + done.stdout
    assert done.returncode == 0, done.stderr
    assert len(desk.records()) == 1
