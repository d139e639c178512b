"""Results reach stdout or a file whole, and what is no plain file stays what it is."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from joulebird.harness.cli.output import put
from joulebird.harness.core.errors import HarnessError

PRINT = "import sys; from joulebird.harness.cli.output import put; put(%r)"


def test_a_file_is_written_whole_and_again(tmp_path):
    path = tmp_path / "table.md"
    put("one", str(path))
    put("two\n", str(path))
    assert path.read_text() == "two\n"
    assert os.listdir(str(tmp_path)) == ["table.md"]


def test_a_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    put("new", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new\n"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    path, got = str(tmp_path / "pipe"), []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(Path(path).read_text()))
    reader.start()
    put("through", path)
    reader.join(10)
    assert got == ["through\n"]
    assert stat.S_ISFIFO(os.stat(path).st_mode)


def test_a_folder_that_is_not_there_or_is_named_itself(tmp_path):
    for path in (tmp_path / "none" / "x", tmp_path):
        with pytest.raises(HarnessError, match="cannot be written"):
            put("x", str(path))
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is a device of Linux")
def test_a_full_disk_behind_stdout_is_one_error(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "joulebird", "flops", "--model", "vgg16", "--dataset", "digits"],
            stdout=full,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
    assert done.stderr.startswith(
        "joulebird: stdout: cannot be written (No space left on device)\n"
    )


def test_a_terminal_that_lacks_a_letter_gets_a_question_mark():
    ascii_only = dict(os.environ, PYTHONIOENCODING="ascii")
    done = subprocess.run(
        [sys.executable, "-c", PRINT % "1.3\u00d7"], stdout=subprocess.PIPE, env=ascii_only
    )
    assert done.returncode == 0
    assert done.stdout == b"1.3?\n"
