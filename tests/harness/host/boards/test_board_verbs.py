"""`joulebird init` and `deploy`: a board's table in the configuration, tried before it is written."""

import json

import tomllib


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
    assert "known are: alpha" in desk.said()
