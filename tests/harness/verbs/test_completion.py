"""`joulebird completion`: the scripts in a real shell, where there is one."""

import shutil
import subprocess

import pytest

from joulebird.harness.verbs import BOARD_VERBS, HELPERS, VERBS
from tests.harness.command import joulebird, refused

ASK = """source <(cat)
COMP_WORDS=(joulebird "$@"); COMP_CWORD=$(($# < 1 ? 1 : $#)); _joulebird
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(*words):
    """What bash offers for the last of these words."""
    done = subprocess.run(
        ["bash", "-c", ASK, "bash", *words],
        input=joulebird("completion", "bash")[1],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ta"], ["table"]),
        (["board", ""], list(BOARD_VERBS)),
        (["board", "st"], ["status", "stop"]),
        (["table", "--form", ""], ["text", "md", "tex", "csv", "html", "json"]),
        (["table", "--format", "j"], ["json"]),
        (["board", "pull", "--js"], ["--json"]),
        (["run", "--source"], ["--source", "--source-option"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["help", "ex"], ["export"]),
        (["energy", "pow"], []),  # a file: bash's own completion follows
    ],
)
def test_bash(words, offered):
    assert completed(*words) == offered


def test_bash_offers_every_verb():
    assert completed("") == [*VERBS, *HELPERS]


@pytest.mark.parametrize(("shell", "check"), [("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_the_other_shells_can_read_theirs(shell, check):
    script = joulebird("completion", shell)[1]
    assert all(verb in script for verb in (*VERBS, *BOARD_VERBS, "per-epoch", "source-option"))
    if shutil.which(shell):
        subprocess.run([shell, *check], input=script.encode(), check=True)


def test_another_shell_is_refused():
    refused(2, ["completion", "tcsh"], "tcsh", "joulebird completion --help")
