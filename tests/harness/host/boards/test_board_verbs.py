"""`joulebird init` and `deploy`: a board's table in the configuration, tried before it is
written.
"""

import json

import tomllib

from tests.harness.host.desk import wait_for


def test_init_tries_and_writes_and_keeps_what_is_there(alpha, desk):
    path = desk.folder / "config.toml"
    before = path.read_text()
    desk.run("board", "add", "no-such", "no-such-host.invalid", code=3)
    assert path.read_text() == before
    desk.run("board", "add", 'tx2 of "Ann"', "nvidia@tx2.lan", "--no-try")
    boards = tomllib.loads(path.read_text())["board"]
    assert boards['tx2 of "Ann"'] == {
        "host": "nvidia@tx2.lan",
        "python": "python3",
    }
    assert path.read_text().startswith(before)
    desk.run("board", "add", "alpha", code=2)
    assert "has a board 'alpha' already" in desk.said()


def test_init_refuses_a_host_that_is_an_option(desk):
    desk.run("board", "add", "--no-try", "--", "x", "-oProxyCommand=touch pwned", code=2)
    assert "must be a host name" in desk.said()
    assert not (desk.folder / "pwned").exists()


def test_deploy_says_what_it_sent_and_sends_data_once(alpha, desk):
    data = desk.folder / "my data"
    data.mkdir()
    (data / "batch 1").write_bytes(b"x" * 1000)
    first = json.loads(desk.run("board", "deploy", "alpha", "--data-dir", "my data", "--json"))
    second = json.loads(desk.run("board", "deploy", "alpha", "--data-dir", "my data", "--json"))
    assert first["sent_bytes"] > 0
    assert second["sent_bytes"] == 0
    assert first["data"] == second["data"]
    assert (alpha.home / first["data"] / "batch 1").read_bytes() == b"x" * 1000
    (data / "batch 1").write_bytes(b"y")
    assert (
        json.loads(desk.run("board", "deploy", "alpha", "--data-dir", "my data", "--json"))["data"]
        != first["data"]
    )
    desk.run("board", "deploy", "alpha", "--data-dir", "absent", code=2)


def test_without_a_board_it_asks_for_one(desk):
    desk.run("board", "status", code=2)
    assert "name a board" in desk.said()
    assert "known: alpha" in desk.said()


def test_clean_removes_what_is_here_and_says_it(alpha, desk):
    study = desk.naps(ratios=(0.3, 0.5), epochs=1, pause_s=0.0)
    desk.run("run", study, "--board", "alpha", "--source", "simulated")
    there, old = alpha.home / "joulebird", alpha.home / ".cache/joulebird/board-0123456789ab.pyz"
    old.write_bytes(b"x" * 1000)
    kept = {path for path in old.parent.glob("board-*.pyz") if path != old}
    listed = json.loads(desk.run("board", "clean", "alpha", "--json", "-n"))
    assert old.exists()
    assert len(listed["runs"]) == 2
    assert len(listed["jobs"]) == 2  # a folder and its specs
    gone = desk.run("board", "clean", "alpha").splitlines()
    assert set(gone[:-1]) == {
        path for kind in listed.values() if isinstance(kind, list) for path in kind
    }
    assert "freed" in gone[-1]
    assert not list(there.glob("runs/*/record.json"))
    assert not list(there.glob("runs/stages/*"))
    assert not list(there.glob("jobs/*"))
    assert set(old.parent.glob("board-*.pyz")) == kept
    assert len(desk.records()) == 2
    assert json.loads(desk.run("board", "clean", "alpha", "--json"))["bytes"] == 0


def test_clean_keeps_what_is_not_here(alpha, desk, new_desk):
    study = desk.naps(epochs=1, pause_s=0.0)
    desk.run("run", study, "--board", "alpha", "--source", "simulated")
    other = new_desk(alpha, name="other")
    assert "1 finished run not here, and therefore kept" in other.run("board", "clean", "alpha")
    assert list((alpha.home / "joulebird/runs/stages").iterdir())
    assert "1 finished run there" in desk.run("board", "status", "alpha")


def test_clean_refuses_while_a_job_runs(alpha, desk):
    study = desk.naps(epochs=200, pause_s=0.1)
    running = desk.start("run", study, "--board", "alpha", "--source", "simulated")
    wait_for(lambda: "runs started" in desk.said())
    wait_for(lambda: list(alpha.home.glob("joulebird/jobs/*/state.json")))
    desk.run("board", "clean", "alpha", code=75)
    assert "a job runs on the board" in desk.said()
    desk.run("board", "stop", "alpha")
    desk.end(running, code=130)
    kept = json.loads(desk.run("board", "clean", "alpha", "--json"))
    assert (kept["runs"], kept["stages"], kept["jobs"]) == ([], [], [])  # it may go on
