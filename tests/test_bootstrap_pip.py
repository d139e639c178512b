"""A machine whose Python came without ensurepip gets pip into its environment all the same, or one
line that says why not.
"""

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bootstrap_pip import WHEEL
from tests.conftest import ROOT

SCRIPT = str(Path(ROOT, "bootstrap_pip.py"))


@pytest.fixture
def index(tmp_path):
    """A package index on loopback: (its address, the folder of its page for pip)."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "index"))

        def log_message(self, *_):
            pass

    folder = tmp_path / "index" / "simple" / "pip"
    folder.mkdir(parents=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/simple", folder
    server.shutdown()
    thread.join()
    server.server_close()


def run(python, address=None):
    """The script run by `python`, with this index or else the usual one."""
    environment = dict(os.environ, **({"PIP_INDEX_URL": address} if address else {}))
    return subprocess.run(
        [python, SCRIPT],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=300,
    )


def test_an_index_that_gives_something_else_is_not_believed(index):
    address, folder = index
    Path(folder, "index.html").write_text(f'<a href="../files/{WHEEL}#sha256=0">{WHEEL}</a>')
    Path(folder.parent, "files").mkdir()
    Path(folder.parent, "files", WHEEL).write_bytes(b"not pip")
    done = run(sys.executable, address)
    assert done.returncode == 1
    assert "is not the" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_index_without_that_pip_says_so(index):
    address, folder = index
    Path(folder, "index.html").write_text('<a href="pip-1.0.tar.gz">pip-1.0.tar.gz</a>')
    done = run(sys.executable, address)
    assert done.returncode == 1
    assert f"has no {WHEEL}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_index_is_one_line():
    done = run(sys.executable, "http://127.0.0.1:1/simple")
    assert done.returncode == 1
    assert f"could not download {WHEEL}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_an_environment_without_pip_gets_it(tmp_path):
    """From the index that the installation itself came from."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True
    )
    python = str(tmp_path / "venv" / "bin" / "python")
    assert (
        subprocess.run([python, "-m", "pip", "--version"], stderr=subprocess.DEVNULL).returncode
        != 0
    )
    done = run(python)
    assert done.returncode == 0, done.stderr
    version = subprocess.run(
        [python, "-m", "pip", "--version"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert version.startswith("pip {} from {}".format(WHEEL.split("-")[1], tmp_path))
