"""Several boards through Snakemake, several jobs through GNU parallel or xargs, and what a
board's death costs: nothing.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host.boards import fleet
from joulebird.harness.host.boards.pick import claim, pick
from joulebird.harness.host.config import Board
from joulebird.harness.host.link.errors import LinkError
from tests.harness.host.conftest import need
from tests.harness.host.desk import ROOT, wait_for

pytestmark = pytest.mark.slow

DEMO = ["naps:lottery", "naps:snip", "naps:slimming", "naps:thinet", "naps:early"]


@pytest.fixture(scope="session")
def snakemake():
    """The folder of the snakemake command: on the PATH, or in the environment that `make fleet`
    makes for it.
    """
    found = shutil.which("snakemake") or shutil.which(
        "snakemake", path=str(ROOT / ".venv-fleet/bin")
    )
    need(found, "snakemake", "make fleet installs it into .venv-fleet")
    return str(Path(found).parent)


@pytest.fixture
def fleet_desk(pair_desk, snakemake):
    """A desk with two boards and snakemake."""
    pair_desk.env["PATH"] = f"{snakemake}:{pair_desk.env['PATH']}"
    return pair_desk


@pytest.fixture(scope="session")
def gnu_parallel():
    """GNU parallel; the moreutils program of the same name is another one."""
    found = shutil.which("parallel")
    version = (
        subprocess.run([found, "--version"], capture_output=True, text=True).stdout if found else ""
    )
    need(
        version.startswith("GNU parallel"),
        "GNU parallel",
        "on Debian and Ubuntu: sudo apt-get install parallel",
    )


@pytest.fixture
def boards(fleet_desk, tmp_path):
    """The two boards of the desk, by name."""
    return {name: tmp_path / name / "home" for name in ("alpha", "beta")}


def demo(desk, pause_s: float, epochs: int = 2) -> str:
    """A study with the stages of the demo's five methods that sleeps."""
    (desk.folder / "demo.toml").write_text(
        f'[study]\nmethods = {json.dumps(DEMO)}\nmodels = ["vgg16"]\ndatasets = '
        '["digits"]\nprune_ratios = [0.3, 0.5, 0.7]\nseeds = [1]\n'
        f'device = "cpu"\n[schedule]\nepochs = {epochs}\n'
        + "".join(f'[method."{method}"]\npause_s = {pause_s}\n' for method in DEMO)
    )
    return "demo.toml"


def test_groups_share_no_stage_and_the_longest_come_first(tmp_path, monkeypatch):
    stages = {"a": ["dense", "1"], "b": ["2"], "c": ["dense", "3"], "d": ["4", "2"], "e": ["5"]}
    specs = [type("Spec", (), {"id": name})() for name in stages]
    monkeypatch.setattr(fleet, "planned_stages", lambda *args: stages)
    assert [[spec.id for spec in group] for group in fleet.grouped(specs, "")] == [
        ["a", "c"],
        ["b", "d"],
        ["e"],
    ]


def test_packs_are_even_and_lose_nothing():
    groups = [list(range(7)), list(range(10, 14)), *[[number] for number in range(20, 26)]]
    packs = fleet.packed(groups, 3)
    assert sorted(sum(packs, [])) == sorted(sum(groups, []))
    assert [len(pack) for pack in packs] == [
        7,
        5,
        5,
    ]
    assert fleet.packed(groups, 100) == sorted(groups, key=len, reverse=True)


def test_without_snakemake_it_says_how_to_get_it_and_how_to_do_without(monkeypatch):
    monkeypatch.setattr(fleet.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(fleet.shutil, "which", lambda name: None)
    with pytest.raises(HarnessError) as caught:
        fleet.snakemake()
    assert "joulebird[fleet]" in caught.value.hint
    assert "parallel" in caught.value.hint


def test_a_dead_board_is_left_out_and_the_next_one_taken(sockets, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(sockets))
    said, worked = [], []

    def work(board):
        if board.name == "a":
            raise LinkError("a: no answer", "", lost=True)
        worked.append(board.name)

    boards = [Board("a", "a"), Board("b", "b")]
    assert pick(boards, work, said.append).name == "b"
    assert worked == ["b"]
    assert "a is left out" in said[0]
    with pytest.raises(LinkError):
        pick(boards[:1], work, said.append)


def test_busy_boards_are_75_or_waited_for(sockets, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(sockets))
    tries = []

    def work(board):
        tries.append(board.name)
        if len(tries) < 3:
            raise HarnessError("in use", "", 75)

    with pytest.raises(HarnessError) as caught:
        pick([Board("a", "a")], work, print)
    assert caught.value.exit_code == 75
    slept = []
    pick([Board("a", "a")], work, print, wait=True, sleep=slept.append)
    assert len(tries) == 3
    assert slept == [30.0]


def test_jobs_of_one_machine_take_turns(sockets, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(sockets))
    board, slept = Board("a", "a"), []
    with claim(board) as mine:
        assert mine

        def sleep(seconds):
            slept.append(seconds)
            raise TimeoutError

        with pytest.raises(TimeoutError):
            pick([board], lambda board: None, print, sleep=sleep)
    assert slept == [1.0]
    assert pick([board], lambda board: None, print) == board


@pytest.mark.alone
def test_two_boards_take_at_most_065_of_the_time_of_one(fleet_desk, boards, new_board, new_desk):
    """All three boards sleep at the same time, so that the machine under them does not matter."""
    single = new_desk(new_board("gamma"), name="single")
    words = ("--source", "none", "--idle", "0")
    begun_s = time.monotonic()
    one = single.start("run", demo(single, 4.0), "--board", "gamma", *words)
    two = fleet_desk.start(
        "run", demo(fleet_desk, 4.0), "--board", "alpha", "--board", "beta", *words
    )
    spent_s = {}
    while len(spent_s) < 2:
        for name, process in (("one", one), ("two", two)):
            if name not in spent_s and process.poll() is not None:
                spent_s[name] = time.monotonic() - begun_s
        time.sleep(0.05)
    single.end(one)
    fleet_desk.end(two)
    assert fleet_desk.values() == single.values()
    assert len(fleet_desk.values()) == 15
    assert spent_s["two"] <= 0.65 * spent_s["one"], spent_s
    done = [
        {path.parent.name for path in home.glob("joulebird/runs/stages/*/stage.json")}
        for home in boards.values()
    ]
    assert not done[0] & done[1]
    assert len(done[0] | done[1]) == 20


def test_a_board_dies_and_the_other_finishes_everything(fleet_desk, boards, new_desk, tmp_path):
    words = ("--source", "none", "--idle", "0", "--patience", "3")
    process = fleet_desk.start(
        "run", demo(fleet_desk, 0.4), "--board", "alpha", "--board", "beta", *words
    )
    wait_for(
        lambda: list(boards["beta"].glob("joulebird/runs/stages/*/events.jsonl")), "work on beta"
    )
    next(board for board in fleet_desk.boards if board.name == "beta").off()
    fleet_desk.end(process)
    assert len(fleet_desk.records()) == 15
    assert "beta is left out" in "".join(
        path.read_text() for path in fleet_desk.runs.glob("*/fleet.log")
    )


def test_a_failed_run_stops_no_other_and_the_same_command_repeats_only_what_is_missing(
    fleet_desk, boards
):
    study = fleet_desk.naps(ratios=[0.3, 0.5, 0.7], epochs=1, pause_s=0.1, fails_at=0.5)
    words = ("run", study, "--board", "alpha", "--board", "beta", "--source", "none", "--idle", "0")
    fleet_desk.run(*words, code=5)
    assert sorted(fleet_desk.records()) == ["naps:napping 0.3", "naps:napping 0.7"]
    assert "1 of 3 runs are not finished" in fleet_desk.said()
    assert "is not a number" in fleet_desk.said()
    before = {name: one.finished for name, one in fleet_desk.records().items()}
    for home in boards.values():
        (home / "awake").write_text("")
    fleet_desk.run(*words)
    after = {name: one.finished for name, one in fleet_desk.records().items()}
    assert len(after) == 3
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("executor", ["local", "cluster"])
def test_snakemake_alone_can_use_what_is_written_on_boards_or_without(
    fleet_desk, snakemake, executor
):
    """The same files without a board: two jobs of this machine at once in one folder, run by
    Snakemake itself or handed to a queue.
    """
    study = fleet_desk.naps(ratios=[0.3, 0.5], epochs=1, pause_s=0.1)
    fleet_desk.run(
        "run", study, "--board", "alpha", "--board", "beta", "--source", "none", "--idle", "0"
    )
    values = fleet_desk.values()
    plain = fleet_desk.folder / "plain"
    plain.mkdir()
    for path in fleet_desk.runs.glob("*/*.json"):
        if path.name in ("spec.json", "group.json"):
            (plain / path.parent.name).mkdir(exist_ok=True)
            shutil.copy(path, plain / path.parent.name)
    argv = [
        f"{snakemake}/snakemake",
        "-s",
        str(fleet.SNAKEFILE),
        "--configfile",
        str(fleet_desk.runs / "fleet.json"),
        "--directory",
        str(plain),
        "--cores",
        "2",
        "--resources",
        "board=2",
        "--config",
        "flags=--source none",
    ]
    if executor == "cluster":
        submit = (
            fleet_desk.folder / "submit"
        )  # a queue that begins every job at once, and says its number
        submit.write_text('#!/bin/sh\nsetsid sh "$1" </dev/null >/dev/null 2>&1 &\necho $!\n')
        submit.chmod(0o755)
        argv += [
            "--executor",
            "cluster-generic",
            "--cluster-generic-submit-cmd",
            str(submit),
            "--jobs",
            "2",
            "--latency-wait",
            "20",
        ]
    done = subprocess.run(
        argv, env=fleet_desk.env, capture_output=True, text=True, cwd=fleet_desk.folder
    )
    assert done.returncode == 0, done.stderr
    assert ("external jobid" in done.stderr) == (executor == "cluster")
    fleet_desk.runs = plain
    assert fleet_desk.values() == values


def test_the_boards_are_on_networks_of_their_own(network, pair_desk):
    need(
        network,
        "a network for each board",
        "run these tests as root, with Debian's iproute2, in a container of your own",
    )
    ask = "readlink /proc/self/ns/net; echo $SSH_CONNECTION"
    said = {
        board.name: subprocess.run(
            [*pair_desk.enter, "ssh", "-F", str(board.ssh_config), board.name, ask],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for board in pair_desk.boards
    }
    assert len({said["alpha"][0], said["beta"][0], os.readlink("/proc/self/ns/net")}) == 3
    assert [(words[1], words[3]) for words in said.values()] == [
        ("10.66.0.1", "10.66.0.2"),
        ("10.66.1.1", "10.66.1.2"),
    ]


def test_ids_feed_any_other_engine(pair_desk):
    """xargs, which every machine has."""
    study = pair_desk.naps(ratios=[0.3, 0.5, 0.7], epochs=1, pause_s=0.1)
    ids = pair_desk.run("plan", study, "--ids")
    assert len(ids.split()) == 3
    run = [
        sys.executable,
        "-m",
        "joulebird",
        "run",
        study,
        "--board",
        "alpha",
        "--board",
        "beta",
        "--source",
        "none",
        "--idle",
        "0",
        "--only",
        "{}",
    ]
    done = subprocess.run(
        [*pair_desk.enter, "xargs", "-P", "2", "-I", "{}", *run],
        input=ids,
        text=True,
        env=pair_desk.env,
        cwd=pair_desk.folder,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(pair_desk.records()) == 3
    assert pair_desk.run("plan", study, "--ids").strip() == ""


@pytest.mark.parametrize(("jobs", "boards"), [(1, ""), (2, "--board alpha --board beta")])
def test_gnu_parallel_runs_the_line_that_the_help_gives(gnu_parallel, pair_desk, jobs, boards):
    """The whole line as a user types it, on this machine and on two boards."""
    command = pair_desk.folder / "bin" / "joulebird"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m joulebird "$@"\n')
    command.chmod(0o755)
    env = {
        **pair_desk.env,
        "PATH": f"{command.parent}:{pair_desk.env['PATH']}",
        "PARALLEL_HOME": str(pair_desk.folder),
    }
    study = pair_desk.naps(ratios=[0.3, 0.5], epochs=1, pause_s=0.1)
    line = (
        f"joulebird plan {study} --ids | parallel -j{jobs} joulebird run {study} {boards} --source "
        f"none --idle 0 --only {{}}"
    )
    done = subprocess.run(
        [*pair_desk.enter, "bash", "-o", "pipefail", "-c", line],
        env=env,
        cwd=pair_desk.folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(pair_desk.records()) == ["naps:napping 0.3", "naps:napping 0.5"]
    assert pair_desk.run("plan", study, "--ids").strip() == ""
