"""Files to and from a real board, by rsync and by tar: whole, once, and what means "done" last."""

import os
from pathlib import Path

import pytest

from joulebird.harness.host.link import transfer
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.errors import LinkError
from joulebird.harness.onboard import files

RUNS = {
    "r 1/spec.json": b"{}",
    "r 1/record.json": b"{1}",
    "stages/s'1/power.csv": b"t\n" * 50_000,
    "stages/s'1/stage.json": b"{2}",
    "stages/s'1/$(touch pwned)": b"x",
    "other/record.json": b"{3}",
}


@pytest.fixture(params=["rsync", "tar"])
def way(request, monkeypatch):
    """Both ways to copy; tar is what is left when the desk has no rsync."""
    if request.param == "tar":
        monkeypatch.setattr(transfer, "rsync_here", lambda: None)
    return request.param


@pytest.fixture
def runs(alpha):
    """Some runs on the board, in a folder with a blank in its name."""
    root = alpha.home / "joule bird" / "runs"
    for name, data in RUNS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def there(runs):
    """The files that are on the board."""
    return files.listing(str(runs), ["r 1", "stages/s'1", "other", "absent"])


@pytest.fixture
def line(alpha, sockets):
    """A line to the board with the odd folder."""
    return alpha.link(sockets, workdir="joule bird")


def content(root: Path) -> dict:
    """All files below a folder."""
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_pull_brings_everything_once(alpha, runs, line, tmp_path, way):
    local = tmp_path / "here"
    names = transfer.missing(local, there(runs))
    assert transfer.pull(line, "joule bird/runs", local, names, True) == len(RUNS)
    assert content(local) == RUNS
    assert transfer.missing(local, there(runs)) == []
    assert not list(Path().glob("pwned"))
    assert not (alpha.home / "pwned").exists()


def test_a_file_that_grew_is_fetched_again(runs, line, tmp_path, way):
    local = tmp_path / "here"
    transfer.pull(line, "joule bird/runs", local, transfer.missing(local, there(runs)), True)
    (runs / "stages/s'1/power.csv").write_bytes(b"t\n" * 50_001)
    assert transfer.missing(local, there(runs)) == ["stages/s'1/power.csv"]


def test_what_means_done_comes_last(runs, line, tmp_path, way, monkeypatch):
    order = []
    for copy in ("_pull_rsync", "_pull_tar"):
        whole = getattr(transfer, copy)
        monkeypatch.setattr(
            transfer, copy, lambda *args, whole=whole: order.append(args[-1]) or whole(*args)
        )
    local = tmp_path / "here"
    transfer.pull(line, "joule bird/runs", local, transfer.missing(local, there(runs)), True)
    assert [{os.path.basename(name) for name in names} for names in order] == [
        {"spec.json", "power.csv", "$(touch pwned)"},
        {"stage.json"},
        {"record.json"},
    ]


def test_a_cut_pull_leaves_only_whole_files_and_the_next_completes(
    alpha, runs, line, tmp_path, way
):
    (runs / "stages/s'1/power.csv").write_bytes(os.urandom(30_000_000))
    local = tmp_path / "here"
    names = transfer.missing(local, there(runs))
    import threading

    done = threading.Event()

    def cut():
        while not done.is_set():
            moving = [
                path
                for path in local.rglob("*")
                if path.is_file() and path.stat().st_size > 100_000
            ]
            if moving and alpha.cut():
                return

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        with pytest.raises(LinkError) as caught:
            transfer.pull(line, "joule bird/runs", local, names, True)
    finally:
        done.set()
        cutter.join()
    assert caught.value.lost
    assert not (local / "r 1/record.json").exists()
    assert not (local / "stages/s'1/stage.json").exists()
    assert not (local / "stages/s'1/power.csv").exists()
    transfer.pull(line, "joule bird/runs", local, transfer.missing(local, there(runs)), True)
    assert {
        name: data for name, data in content(local).items() if ".rsync-part" not in name
    } == content(runs)


def test_push_and_settle(alpha, line, tmp_path, way):
    source = tmp_path / "data set"
    source.mkdir()
    for name in ("batch 1", "$(touch pwned)", "-rf"):
        (source / name).write_text(name)
    transfer.push(line, source, "in coming", ["batch 1", "$(touch pwned)", "-rf"], True)
    assert content(alpha.home / "in coming") == content(source)


def test_a_board_without_rsync_gets_tar(new_board, sockets, tmp_path):
    board = new_board("plain", without=("rsync",))
    (board.home / "joulebird/runs/a").mkdir(parents=True)
    (board.home / "joulebird/runs/a/record.json").write_text("{}")
    line = board.link(sockets)
    agent = Agent(line)
    assert agent.deployed.has_rsync is False
    names = transfer.missing(
        tmp_path / "here", files.listing(str(board.home / "joulebird/runs"), ["a"])
    )
    transfer.pull(line, "joulebird/runs", tmp_path / "here", names, agent.deployed.has_rsync)
    assert content(tmp_path / "here") == {"a/record.json": b"{}"}


def test_a_file_that_vanished_is_an_error(runs, line, tmp_path, way):
    with pytest.raises(LinkError):
        transfer.pull(line, "joule bird/runs", tmp_path / "here", ["absent/file"], True)


def test_a_full_disk_here_says_so(needs_namespaces, runs, line, way):
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
        try:
            with pytest.raises(LinkError) as caught:
                transfer.pull(
                    line,
                    "joule bird/runs",
                    Path(folder),
                    transfer.missing(Path(folder), there(runs)),
                    True,
                )
            assert "No space left" in caught.value.message
            assert not caught.value.lost
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", ""])
def test_a_board_cannot_write_outside_the_runs(tmp_path, name):
    with pytest.raises(LinkError):
        transfer.missing(tmp_path, [(name, 1, 1)])
