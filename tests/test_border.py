"""The Python 3.6 border: what a board runs must be written in its Python."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def board_files():
    listed = [os.path.join(ROOT, "joulebird", name) for name in ("__init__.py", "__main__.py")]
    for folder in ("devices", "baselines", "harness"):
        for path, folders, names in os.walk(os.path.join(ROOT, "joulebird", folder)):
            folders[:] = [
                f
                for f in folders
                if os.path.join(path, f) != os.path.join(ROOT, "joulebird", "harness", "host")
            ]
            listed += [os.path.join(path, name) for name in names if name.endswith(".py")]
    return listed


def vermin(*paths):
    command = os.path.join(os.path.dirname(sys.executable), "vermin")
    return subprocess.run(
        [
            command,
            "-t=3.6-",
            "--exclude",
            "tomllib",
            "--no-tips",
            "--violations",
            "--eval-annotations",
            *paths,
        ],
        capture_output=True,
        text=True,
    )


def test_board_code_is_python_3_6():
    found = vermin(*board_files())
    assert found.returncode == 0, found.stdout


def test_the_check_can_fail(tmp_path):
    source = tmp_path / "new.py"
    source.write_text("if (n := 1):\n    print(f'{n=}')\n")
    assert vermin(str(source)).returncode != 0
