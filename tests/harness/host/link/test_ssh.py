"""A line to a real sshd: commands arrive word for word, failures say what to do."""

import json
import subprocess
import sys

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host.config import Board
from joulebird.harness.host.link.errors import LinkError
from joulebird.harness.host.link.ssh import Link, remote_command

HOSTILE = [
    "plain",
    "two words",
    "it's",
    'say "x"',
    "a;touch /tmp/joulebird-pwned",
    "$(touch /tmp/joulebird-pwned)",
    "`id`",
    "-rf",
    "--",
    "*",
    "~",
    "$HOME",
    "a\\b",
    "a|b",
    "a&b",
    "a>b",
    "ünï",
    "!x",
    "#x",
    "",
]


def test_words_arrive_as_they_are(link):
    script = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['ODD']]))"
    result = link.run(["python3", "-c", script, *HOSTILE], {"ODD": "a b;$(id)'\""})
    assert result.text.strip() == json.dumps([HOSTILE, "a b;$(id)'\""])


def test_output_and_status_come_back(link):
    assert link.run(["cat"], stdin=b"\0\xff\n").stdout == b"\0\xff\n"
    with pytest.raises(LinkError) as caught:
        link.run(["sh", "-c", "echo no such thing >&2; exit 7"])
    assert caught.value.exit_code == 3
    assert "no such thing" in caught.value.message
    assert link.run(["sh", "-c", "exit 7"], check=False).status == 7


def test_one_connection_serves_all_commands(alpha, link):
    for _ in range(5):
        link.run(["true"])
    assert alpha.log().count("Accepted publickey") == 1


def test_channel_talks_both_ways(link):
    with link.channel(["cat"]) as process:
        for word in (b"one\n", b"two\n"):
            process.stdin.write(word)
            process.stdin.flush()
            assert process.stdout.readline() == word
    assert process.returncode == 0


def test_a_cut_line_is_an_error_that_says_so_and_the_next_command_works(alpha, link):
    link.run(["true"])
    with link.channel(["cat"]) as process:
        process.stdin.write(b"x\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"x\n"
        assert alpha.cut() > 0
        assert process.stdout.read() == b""
    link.run(["true"])


def test_a_board_that_is_off_is_lost_and_back_when_it_is_on(alpha, link):
    alpha.off()
    with pytest.raises(LinkError) as caught:
        link.run(["true"])
    assert caught.value.lost
    alpha.boot()
    assert link.run(["echo", "back"]).text == "back\n"


def test_another_host_key_is_refused_with_the_remedy(alpha, link):
    alpha.know(
        key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    )
    with pytest.raises(LinkError) as caught:
        link.run(["true"])
    assert not caught.value.lost
    assert "another host key" in caught.value.message
    assert "ssh-keygen -R alpha" in caught.value.hint


def test_unknown_host_key(alpha, link):
    (alpha.root / "known_hosts").write_text("")
    with pytest.raises(LinkError) as caught:
        link.run(["true"])
    assert "host key is not known" in caught.value.message
    assert "ssh alpha" in caught.value.hint


def test_login_refused(alpha, link):
    (alpha.root / "authorized_keys").write_text("")
    with pytest.raises(LinkError) as caught:
        link.run(["true"])
    assert "login was refused" in caught.value.message
    assert "ssh-copy-id alpha" in caught.value.hint


def test_no_such_host(needs_sshd, sockets):
    with pytest.raises(LinkError) as caught:
        Link(Board("b", "no-such-host.invalid", ssh=("ssh", "-F", "/dev/null")), sockets).run(
            ["true"]
        )
    assert "no such host" in caught.value.message
    assert caught.value.exit_code == 3


def test_no_ssh_client(sockets):
    with pytest.raises(HarnessError) as caught:
        Link(Board("b", "host", ssh=("no-such-ssh",)), sockets).run(["true"])
    assert "openssh-client" in caught.value.hint
    assert caught.value.exit_code == 3


def test_timeout(link):
    with pytest.raises(LinkError) as caught:
        link.run(["sleep", "30"], timeout_s=0.2)
    assert caught.value.lost


@pytest.mark.parametrize("word", HOSTILE)
def test_remote_command_survives_a_shell(word):
    argv = [
        sys.executable,
        "-c",
        "import os, sys; sys.stdout.write(sys.argv[1] + os.environ['V'])",
        word,
    ]
    done = subprocess.run(
        ["sh", "-c", remote_command(argv, {"V": word})], capture_output=True, text=True, check=True
    )
    assert done.stdout == word + word
