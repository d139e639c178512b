"""Flags over environment over file over defaults; unknown keys and hostile hosts are refused
with what to do.
"""

from pathlib import Path

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host import config
from joulebird.harness.host.boards import chosen

TEXT = """
[defaults]
board = "tx2"
runs = "results"
[board.tx2]
host = "nvidia@tx2.lan"
launcher = ["docker", "run", "--rm"]
ssh = ["ssh", "-p", "22"]
[board.tx2.env]
OPENBLAS_CORETYPE = "CORTEXA57"
CUDA_HOME = "/usr/local/cuda 10"
"""


@pytest.fixture
def env(tmp_path):
    """An environment whose configuration file is TEXT."""
    path = tmp_path / "joulebird" / "config.toml"
    path.parent.mkdir()
    path.write_text(TEXT)
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_board_from_file(env):
    board = config.load(env).board("tx2")
    assert (board.name, board.host, board.python, board.launcher, board.ssh) == (
        "tx2",
        "nvidia@tx2.lan",
        "python3",
        ("docker", "run", "--rm"),
        ("ssh", "-p", "22"),
    )


def test_the_boards_environment_is_ours_and_the_users_over_it(env):
    found = config.load(env).board("tx2").environment()
    assert found["OPENBLAS_CORETYPE"] == "CORTEXA57"
    assert found["CUDA_HOME"] == "/usr/local/cuda 10"
    assert found["LC_ALL"] == "C.UTF-8"
    assert config.Board("b").environment()["OPENBLAS_CORETYPE"] == "ARMV8"


def test_a_name_outside_the_file_is_a_host(env):
    assert config.load(env).board("me@10.0.0.7").host == "me@10.0.0.7"


def test_order_of_origins(env):
    found = config.load(env)
    assert chosen.runs_folder("flag") == "flag"
    assert found.value("runs", env={"JOULEBIRD_RUNS": "env"}) == "env"
    assert found.value("runs", env={}) == "results"
    assert config.Config().value("runs", "runs", {}) == "runs"


def test_where_the_file_is(tmp_path):
    assert config.config_path({"JOULEBIRD_CONFIG": "/a/b.toml", "XDG_CONFIG_HOME": "/x"}) == Path(
        "/a/b.toml"
    )
    assert config.config_path({"XDG_CONFIG_HOME": "relative", "HOME": "/h"}) == Path(
        "/h/.config/joulebird/config.toml"
    )


def test_absent_file_gives_defaults_unless_it_was_named(tmp_path):
    assert config.load({"XDG_CONFIG_HOME": str(tmp_path)}) == config.Config()
    with pytest.raises(HarnessError, match="no such file"):
        config.load({"JOULEBIRD_CONFIG": str(tmp_path / "absent.toml")})


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[boards.x]", "unknown field 'boards'", "did you mean 'board'"),
        ("[board.x]\nhots='a'", "unknown field 'board.x.hots'", "did you mean 'host'"),
        (
            "[board.x]\nhost=7",
            "field 'board.x.host' has the wrong type (expected a string, got 7)",
            'host = "tx2"',
        ),
        (
            "[board.x]\nlauncher='docker run'",
            "field 'board.x.launcher' has the wrong type (expected a list of strings",
            '["docker", "run", "IMAGE"]',
        ),
        (
            "[board.x.env]\nA=1",
            "field 'board.x.env' has the wrong type (expected a table of strings",
            '{LANG = "C"}',
        ),
        (
            "[board.x.env]\n'A=B'='1'",
            "field 'board.x.env' must be a table of variables",
            '{LANG = "C"}',
        ),
        (
            "[board]\nx=1",
            "field 'board' has the wrong type (expected a table of tables",
            'host = "tx2"',
        ),
        (
            "[defaults]\nruns=1",
            "field 'defaults.runs' has the wrong type (expected a string, got 1)",
            '"runs"',
        ),
        ("[board.x", "not valid TOML", "correct that line"),
        (
            "[board.x]\npython=''",
            "field 'board.x.python' must be one line that is not empty",
            '"python3"',
        ),
        (
            '[board.x]\nworkdir="a\\nb"',
            "must be one line that is not empty (got 'a\\nb')",
            '"joulebird"',
        ),
    ],
)
def test_bad_files_say_what_to_do(text, message, hint):
    with pytest.raises(HarnessError) as caught:
        config.parse(text, Path("c.toml"))
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "host",
    [
        "-oProxyCommand=touch /tmp/x",
        "a b",
        "a;b",
        "$(id)",
        "`id`",
        "a'b",
        'a"b',
        "a|b",
        "a\nb",
        "a>b",
        "",
    ],
)
def test_a_host_that_could_be_taken_for_something_else_is_refused(host):
    with pytest.raises(HarnessError) as caught:
        config.Config().board(host)
    assert "field 'host' must be a host name" in caught.value.message
    assert caught.value.exit_code == 2
