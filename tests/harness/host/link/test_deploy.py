"""The code travels as one small file, once, and arrives whole or not at all."""

import hashlib
import io
import subprocess
import zipfile

import pytest

from joulebird.harness.host.link import deploy
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.errors import LinkError


def test_the_same_sources_give_the_same_bytes_and_a_small_file():
    first, second = deploy.build(), deploy.build()
    assert first == second
    assert first.sha256 == hashlib.sha256(first.data).hexdigest()
    assert len(first.data) < 400_000


def test_it_holds_what_the_board_runs_and_nothing_else():
    names = zipfile.ZipFile(io.BytesIO(deploy.build().data)).namelist()
    assert {
        "__main__.py",
        "joulebird/harness/onboard/verbs.py",
        "joulebird/devices/source.py",
        "joulebird/baselines/__init__.py",
    } <= set(names)
    assert not [
        name
        for name in names
        if name.startswith(
            (
                "joulebird/harness/host/",
                "joulebird/reports/",
                "joulebird/harness/verbs/table",
                "tests/",
            )
        )
        or name.endswith(".pyc")
    ]


def test_a_source_that_changes_changes_the_name(tmp_path, monkeypatch):
    source = tmp_path / "x.py"
    source.write_text("a = 1")
    monkeypatch.setattr(deploy, "_sources", lambda: iter([("x.py", source)]))
    before = deploy.build()
    source.write_text("a = 2")
    assert deploy.build().name != before.name


def test_pushed_once(alpha, link):
    first, second = deploy.deploy(link), deploy.deploy(link)
    assert first.sent_bytes == len(deploy.build().data)
    assert second.sent_bytes == 0
    found = alpha.home / first.path
    assert hashlib.sha256(found.read_bytes()).hexdigest() == first.sha256
    assert found.name == f"board-{first.sha256[:12]}.pyz"


def test_a_warm_deploy_is_one_question(link, monkeypatch):
    deploy.deploy(link)
    asked = []
    run = link.run
    monkeypatch.setattr(
        link, "run", lambda *args, **options: asked.append(args) or run(*args, **options)
    )
    deploy.deploy(link)
    assert len(asked) == 1


def test_the_code_runs_there_from_the_file_alone(alpha, link):
    facts = Agent(link).call("facts")
    assert facts["home"] == str(alpha.home)
    assert facts["boot_id"]
    left = [str(path.relative_to(alpha.home)) for path in alpha.home.rglob("*") if path.is_file()]
    assert left == [deploy.deploy(link).path]


def test_python36_runs_it(new_board, old_python, sockets):
    board = new_board("old", python=old_python)
    facts = Agent(board.link(sockets)).call("facts")
    assert facts["python"].startswith("3.6.")


@pytest.mark.parametrize(
    "cache", ["two words", "it's", "$(touch pwned)", "a;touch pwned", "-n", "a\\b"]
)
def test_odd_folder_names_are_names(alpha, sockets, cache):
    line = alpha.link(sockets, cache=cache, workdir=cache)
    assert Agent(line).call("facts")["user"]
    assert (alpha.home / cache).is_dir()
    assert not (alpha.home / "pwned").exists()


def test_a_cut_upload_leaves_nothing_in_place_and_the_next_one_completes(alpha, link):
    code = deploy.build()
    argv = link.argv(
        [
            "sh",
            "-c",
            deploy.RECEIVE,
            "sh",
            ".cache/joulebird",
            code.name,
            code.name + ".part-x",
            code.sha256,
        ]
    )
    link.open()
    upload = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    upload.stdin.write(code.data[:100_000])
    upload.stdin.flush()
    part = alpha.home / ".cache/joulebird" / (code.name + ".part-x")
    while not part.exists():
        assert upload.poll() is None
    assert alpha.cut() > 0
    upload.wait()
    upload.stdin.close()
    assert not (part.parent / code.name).exists()
    assert deploy.deploy(link, code).sent_bytes == len(code.data)
    assert [path.name for path in part.parent.iterdir()] == [code.name]


def test_python_missing_on_the_board(new_board, sockets):
    board = new_board("bare", without=("python3", "python3.11", "python"))
    with pytest.raises(LinkError) as caught:
        deploy.deploy(board.link(sockets))
    assert "python3 is not found there" in caught.value.message
    assert "python =" in caught.value.hint


def test_no_room_on_the_board(needs_namespaces, new_board, sockets):
    board = new_board("full", disk="100k")
    with pytest.raises(LinkError) as caught:
        deploy.deploy(board.link(sockets, cache="disk/cache"))
    assert "disk is full" in caught.value.message
    assert "df -h" in caught.value.hint


def test_no_permission_for_the_folder(alpha, sockets):
    with pytest.raises(LinkError) as caught:
        deploy.deploy(alpha.link(sockets, cache="/proc/nowhere"))
    assert "could not be stored" in caught.value.message
    assert "cache =" in caught.value.hint


def test_a_python_that_is_too_old_or_broken_says_so(alpha, link):
    alpha.script("python3", "#!/bin/sh\necho 'SyntaxError: invalid syntax' >&2; exit 1\n")
    with pytest.raises(LinkError) as caught:
        Agent(link).call("facts")
    assert "Python on the board failed" in caught.value.message
    assert "3.6" in caught.value.hint
