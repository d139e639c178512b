"""`sources`, `watch` and `doctor` on a board that looks like a TX2, from the desk."""

import json

import pytest

from tests.devices.fake_tx2_tree import FakeTX2


@pytest.fixture
def tx2(needs_namespaces, needs_sshd, tmp_path, old_python):
    """A loopback board with Python 3.6, its torch, and a TX2's /sys."""
    from tests.harness.host.loopback import LoopbackBoard

    board = LoopbackBoard(tmp_path / "tx2", "tx2", python=old_python)
    tree = FakeTX2(str(tmp_path / "tx2" / "tree"), state="train").build()
    board.boot()
    yield board
    board.off()
    tree.close()


@pytest.fixture
def at_desk(tx2, new_desk):
    """A desk that knows it."""
    return new_desk(tx2)


def test_sources_are_the_boards(at_desk):
    found = {
        one["name"]: one
        for one in json.loads(at_desk.run("sources", "--board", "tx2", "--json"))["sources"]
    }
    assert found["ina3221"]["usable"]
    assert "VDD_IN" in found["ina3221"]["rails"]
    assert found["ina3221"]["real"]
    for form in (["--format", "json"], ["--form=json"], ["--js"]):
        text = at_desk.run("sources", "--boar", "tx2", "--source", "ina3221", *form)
        assert json.loads(text)["sources"][0]["name"] == "ina3221"
    assert (
        "VDD_IN"
        in at_desk.run("sources", "--board", "tx2", "-o", "sources.txt")
        + (at_desk.folder / "sources.txt").read_text()
    )
    at_desk.run(
        "sources",
        "--board",
        "tx2",
        "--source",
        "ina3221",
        "--source-option",
        "root=/nowhere",
        code=4,
    )


def test_watching_draws_here_at_most_once_a_second(at_desk):
    lines = [
        json.loads(line)
        for line in at_desk.run(
            "watch", "--board", "tx2", "-n", "3", "--json", "--every", "0.1"
        ).splitlines()
    ]
    assert len(lines) == 3
    assert lines[0]["total"] == ["VDD_IN"]
    assert lines[-1]["t_s"] - lines[0]["t_s"] > 1.5
    assert "VDD_IN" in at_desk.run("watch", "--board", "tx2", "-n", "1")
    one = ["watch", "--board", "tx2", "-n", "1", "--rail", "VDD_SYS_GPU"]
    assert list(json.loads(at_desk.run(*one, "--format", "json"))["watts"]) == ["VDD_SYS_GPU"]
    assert at_desk.run(*one).splitlines()[0] == "# ina3221, mean watts: VDD_SYS_GPU"


def test_doctor_checks_the_way_and_the_board(at_desk):
    checks = {
        one["name"]: one
        for one in json.loads(at_desk.run("doctor", "--board", "tx2", "--json", code=6))["checks"]
    }
    assert [
        checks[name]["status"] for name in ("ssh", "code", "rsync", "linger", "lock", "date")
    ] == ["ok"] * 6
    assert checks["python"]["found"].startswith("3.6.")
    assert checks["torch"]["status"] == "bad"
    assert "finds no GPU" in checks["torch"]["found"]


def test_a_torch_without_cuda_is_refused_before_hours_are_lost(at_desk, tmp_path):
    """PyPI's, which a careless `pip install` puts before NVIDIA's."""
    shadow = tmp_path / "shadow" / "torch"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text(
        '__version__ = "1.10.0"\nclass version: cuda = None\nclass cuda: is_available = '
        "staticmethod(bool)\n"
    )
    path = at_desk.folder / "config.toml"
    path.write_text(path.read_text().replace('PYTHONPATH = "', f'PYTHONPATH = "{shadow.parent}:'))
    text = at_desk.run("doctor", "--board", "tx2", "torch", code=6)
    assert "hides NVIDIA's" in text
    assert "NVIDIA's wheel" in text
    assert "ssh" not in text.split()
    at_desk.run("run", at_desk.naps(epochs=1, device="auto"), "--board", "tx2", code=6)
    assert "torch: 1.10.0 has no CUDA" in at_desk.said()
    assert "pip3 uninstall torch" in at_desk.said()
    assert not list(at_desk.boards[0].home.glob("joulebird/jobs/*"))


def test_an_unreachable_board_is_code_3(tx2, at_desk):
    tx2.off()
    for verb in ("sources", "watch", "doctor"):
        at_desk.run(verb, "--board", "tx2", code=3)
    for verb in ("status", "deploy", "pull", "clean"):
        at_desk.run("board", verb, "tx2", code=3)
    assert "Traceback" not in at_desk.said()
