"""`joulebird run --board`, from a desk to a real sshd and back."""

import json
import os
import signal
import time

import pytest

from joulebird.reports.runs.accounting import Accounting
from joulebird.reports.runs.records import load
from tests.harness.host.desk import wait_for
from tests.harness.host.loopback import LoopbackBoard

pytestmark = pytest.mark.slow


def job_facts(board: LoopbackBoard):
    """state.json of the newest job on a board."""
    found = sorted((board.home / "joulebird/jobs").glob("*/state.json"))
    return json.loads(found[-1].read_text()) if found else None


def epochs(board: LoopbackBoard) -> int:
    """Epochs finished on the board so far."""
    return sum(
        path.read_text().count('"epoch"')
        for path in board.home.glob("joulebird/runs/stages/*/events.jsonl")
    )


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """What a study gives on this machine, by its arguments."""
    from tests.harness.host.desk import Desk

    known = {}

    def values(**study):
        key = json.dumps(study, sort_keys=True)
        if key not in known:
            here = Desk(tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("s"))
            here.run("run", here.naps(**study), "--source", "none", "--idle", "0")
            known[key] = here.values()
        return known[key]

    return values


def test_a_study_on_a_board_ends_here_with_the_values_of_a_local_run(alpha, desk, undisturbed):
    study = {"ratios": [0.3, 0.5], "epochs": 3, "pause_s": 0.1}
    out = desk.run("run", desk.naps(**study), "--board", "alpha", "--source", "none", "--json")
    assert desk.values() == undisturbed(**study)
    assert [run["id"] for run in json.loads(out)["runs"]] == [
        one.id for one in desk.records().values()
    ]
    name = next(iter((alpha.home / ".cache/joulebird").glob("board-*.pyz"))).name
    assert {one.environment["code"] for one in desk.records().values()} == {name[6:18]}
    assert {one.environment["boot_id"] for one in desk.records().values()} == {
        (alpha.root / "boot_id").read_text().strip()
    }


def test_a_finished_run_asks_nobody(alpha, desk):
    study = desk.naps(epochs=1)
    desk.run("run", study, "--board", "alpha", "--source", "none")
    alpha.off()
    desk.run("run", study, "--board", "alpha", "--source", "none")
    assert desk.said().rstrip().endswith("all runs are done (1): runs")


def test_the_board_is_here_means_this_machine(desk):
    desk.run("run", desk.naps(epochs=1), "--board", "here", "--source", "none")
    assert len(desk.records()) == 1


def test_the_environment_chooses_the_board_and_the_folder(alpha, desk):
    desk.env.update(JOULEBIRD_BOARD="alpha", JOULEBIRD_RUNS="elsewhere")
    desk.run("run", desk.naps(epochs=1), "--source", "none")
    assert list((desk.folder / "elsewhere").glob("naps-*/record.json"))
    assert list(alpha.home.glob("joulebird/runs/naps-*/record.json"))


def test_the_line_is_cut_ten_times_while_running(alpha, desk, undisturbed):
    study = {"epochs": 40, "pause_s": 0.5}
    process = desk.start(
        "run", desk.naps(**study), "--board", "alpha", "--source", "none", "--every", "1"
    )
    wait_for(lambda: epochs(alpha) > 0, "the first epoch")
    for count in range(10):
        wait_for(
            lambda count=count: desk.said().count("answers again") == count,
            "an answer after the cut before",
        )
        assert process.poll() is None
        assert alpha.cut() > 0
    desk.end(process)
    assert desk.values() == undisturbed(**study)
    assert len(list(alpha.home.glob("joulebird/jobs/*"))) == 1
    assert next(iter(desk.stages().values())).attempts == 1


def test_the_desk_is_killed_and_another_desk_takes_over(alpha, desk, new_desk, undisturbed):
    study = {"epochs": 8, "pause_s": 0.4}
    process = desk.start("run", desk.naps(**study), "--board", "alpha", "--source", "none")
    wait_for(lambda: epochs(alpha) > 1, "an epoch")
    process.kill()
    process.wait()
    other = new_desk(alpha, name="other")
    other.run("run", other.naps(**study), "--board", "alpha", "--source", "none")
    assert other.values() == undisturbed(**study)
    assert "following" in other.said()
    desk.run("run", "study.toml", "--board", "alpha", "--source", "none")
    assert desk.values() == undisturbed(**study)
    assert len(list(alpha.home.glob("joulebird/jobs/*"))) == 1


def test_the_boards_process_is_killed(alpha, link, desk, undisturbed):
    study = {"epochs": 6, "pause_s": 0.4}
    process = desk.start("run", desk.naps(**study), "--board", "alpha", "--source", "none")
    wait_for(lambda: epochs(alpha) > 1, "an epoch")
    link.run(["kill", "-9", str(job_facts(alpha)["pid"])])
    desk.end(process)
    assert desk.values() == undisturbed(**study)
    assert "it was killed" in desk.said()
    assert next(iter(desk.stages().values())).attempts == 2


def test_the_line_is_cut_while_pulling(alpha, desk, undisturbed):
    study = {"epochs": 1, "pause_s": 0.1, "heavy": True}
    process = desk.start("run", desk.naps(**study), "--board", "alpha", "--source", "none")

    moving = []
    while not moving and process.poll() is None:  # without a pause: the loopback is quick
        moving = [
            path
            for path in desk.runs.glob("stages/*/*result.pt*")
            if path.stat().st_size > 1_000_000
        ]
        moving += [
            path
            for path in desk.runs.glob("stages/*/.*result.pt*")
            if path.stat().st_size > 1_000_000
        ]
    assert process.poll() is None
    assert alpha.cut() > 0
    desk.end(process)
    assert desk.values() == undisturbed(**study)
    assert "answers again" in desk.said()


def test_the_board_loses_power(needs_namespaces, alpha, desk, undisturbed):
    study = {"epochs": 6, "pause_s": 0.5}
    process = desk.start("run", desk.naps(**study), "--board", "alpha", "--source", "simulated")
    wait_for(lambda: epochs(alpha) > 1, "an epoch")
    time.sleep(0.3)  # in the middle of an epoch
    alpha.reboot()
    desk.end(process)
    assert desk.values() == undisturbed(**study)
    assert "rebooted" in desk.said()
    assert "going on from the last checkpoint" in desk.said()
    (stage,) = load(str(desk.runs))[0].stages
    assert stage.record.attempts == 2
    assert {"resumed", "rebooted"} <= {one["name"] for one in stage.record.warnings}
    cost = Accounting().stage(stage)
    assert cost.useful.coverage > 0.95
    assert 2.5 < cost.useful.seconds < 30.0
    assert not cost.useful.void
    assert cost.repeated.joules > 0  # the epochs lost to the power cut are counted apart


def test_stop_once_ends_after_the_epoch_and_the_same_command_goes_on(alpha, desk, undisturbed):
    study = {"epochs": 8, "pause_s": 0.4}
    process = desk.start("run", desk.naps(**study), "--board", "alpha", "--source", "none")
    wait_for(lambda: epochs(alpha) > 1, "an epoch")
    desk.run("board", "stop", "alpha")
    desk.end(process, 130)
    assert "the run was stopped" in desk.said()
    assert epochs(alpha) < 8
    desk.run("run", "study.toml", "--board", "alpha", "--source", "none")
    assert desk.values() == undisturbed(**study)


def test_stop_twice_ends_now(alpha, desk):
    process = desk.start(
        "run",
        desk.naps(epochs=2, pause_s=120.0),
        "--board",
        "alpha",
        "--source",
        "none",
        "--idle",
        "0",
    )
    wait_for(lambda: list(alpha.home.glob("joulebird/runs/stages/*/events.jsonl")), "the stage")
    desk.run("board", "stop", "alpha")
    desk.run("board", "stop", "alpha")
    desk.end(process, 130, 60)


def test_ctrl_c_leaves_the_run_there(alpha, desk):
    process = desk.start(
        "run", desk.naps(epochs=5, pause_s=0.4), "--board", "alpha", "--source", "none"
    )
    wait_for(lambda: epochs(alpha) > 0, "an epoch")
    process.send_signal(signal.SIGINT)
    desk.end(process, 130)
    assert "the run continues on the board" in desk.said()
    assert "joulebird board stop alpha" in desk.said()
    desk.run("run", "study.toml", "--board", "alpha", "--source", "none")
    assert len(desk.records()) == 1


def test_somebody_else_measures(alpha, desk, new_desk):
    first = desk.start(
        "run", desk.naps(epochs=4, pause_s=0.5), "--board", "alpha", "--source", "none"
    )
    wait_for(lambda: epochs(alpha) > 0, "an epoch")
    other = new_desk(alpha, name="other")
    study = other.naps(ratios=[0.7], epochs=1)
    other.run("run", study, "--board", "alpha", "--source", "none", code=75)
    assert "alpha is in use by" in other.said()
    assert "--wait" in other.said()
    other.run("run", study, "--board", "alpha", "--source", "none", "--wait")
    assert len(other.records()) == 1
    desk.end(first)


def test_status_logs_and_pull(alpha, desk, new_desk):
    desk.run("run", desk.naps(ratios=[0.3, 0.5], epochs=1), "--board", "alpha", "--source", "none")
    status = json.loads(desk.run("board", "status", "alpha", "--json"))
    assert status["holder"] is None
    assert [job["code"] for job in status["jobs"]] == [0]
    assert len(status["done"]) == 2
    assert "2 finished runs there" in desk.run("board", "status", "alpha")
    run_id = status["done"][0]
    assert run_id in desk.run("board", "logs", "alpha", run_id)
    other = new_desk(alpha, name="other")
    assert other.run("board", "pull", "alpha", run_id).split() == [run_id]
    assert [one.id for one in other.records().values()] == [run_id]
    assert "absent: not finished" in other.run("board", "pull", "alpha", "absent", code=6)
    other.run("board", "pull", "alpha")
    assert other.values() == desk.values()


def test_a_board_with_an_odd_name_and_odd_folders_and_its_data_set(alpha, new_desk):
    name = 'the "new" $(touch pwned); one'
    desk = new_desk(alpha)
    path = desk.folder / "config.toml"
    text = path.read_text().replace("[board.alpha", f"[board.{json.dumps(name)}")
    path.write_text(
        text.replace(
            'host = "alpha"',
            'host = "alpha"\nworkdir = "my $(touch pwned) runs"\ncache = "it\'s; touch pwned"',
        )
    )
    (desk.folder / "data; touch pwned").mkdir()
    (desk.folder / "data; touch pwned" / "x").write_text("1")
    study = desk.naps(epochs=1)
    desk.env["JOULEBIRD_BOARD"] = name
    desk.run("run", study, "--source", "none", "--data-dir", "data; touch pwned")
    assert len(desk.records()) == 1
    assert "1 finished run there" in desk.run("board", "status", name)
    (job,) = alpha.home.glob("my $(touch pwned) runs/jobs/*/job.json")
    argv = json.loads(job.read_text())["argv"]
    sent = argv[argv.index("--data-dir") + 1]
    assert sent.startswith(f"{alpha.home}/it's; touch pwned/data/")
    assert os.listdir(sent) == ["x"]
    assert not list(alpha.home.rglob("pwned"))
    assert not list(desk.folder.rglob("pwned"))


def test_a_launcher_gets_the_environment_inside(alpha, new_desk):
    alpha.script("container", f'#!/bin/sh\nexec env -i PATH="{alpha.path}" INSIDE=1 "$@"\n')
    desk = new_desk(alpha, extra='launcher = ["container"]')
    desk.run("run", desk.naps(epochs=1), "--board", "alpha", "--source", "none")
    assert len(desk.records()) == 1
    log = next(alpha.home.glob("joulebird/jobs/*/out.log")).read_text()
    assert log.startswith("$ container env ")
    assert "OPENBLAS_CORETYPE=ARMV8" in log
    assert "JOULEBIRD_CODE=" in log


def test_what_fails_on_the_board_is_said_here_with_its_code(alpha, desk):
    desk.run(
        "run",
        desk.naps(epochs=1),
        "--board",
        "alpha",
        "--source",
        "ina3221",
        "--source-option",
        "root=/nowhere",
        code=4,
    )
    assert "alpha: " in desk.said()
    assert "joulebird: alpha" in desk.said()


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("key", 3, "another host key"),
        ("host", 3, "no such host"),
        ("login", 3, "login was refused"),
        ("off", 3, "nothing listens"),
    ],
)
def test_a_board_that_cannot_be_reached(alpha, desk, fault, code, words):
    if fault == "key":
        alpha.know(
            key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        )
    if fault == "login":
        (alpha.root / "authorized_keys").write_text("")
    if fault == "off":
        alpha.off()
    desk.run(
        "run",
        desk.naps(),
        "--board",
        "alpha" if fault != "host" else "no-such-host.invalid",
        code=code,
    )
    said = desk.said().strip().splitlines()
    assert words in said[0]
    assert len(said) == 2
    assert "Traceback" not in desk.said()


def test_the_boards_disk_is_full(needs_namespaces, new_board, new_desk, undisturbed, sockets):
    board = new_board("small", disk="3m")
    desk = new_desk(board, extra='workdir = "disk/joulebird"')
    study = {"epochs": 6, "pause_s": 0.3}
    process = desk.start("run", desk.naps(**study), "--board", "small", "--source", "none")
    link = board.link(sockets)
    events = ["sh", "-c", "cat disk/joulebird/runs/stages/*/events.jsonl"]
    wait_for(lambda: link.run(events, check=False).text.count('"epoch"') > 1, "epochs")
    link.run(["sh", "-c", "cat /dev/zero > disk/filler; true"], check=False)
    desk.end(process, 5)
    assert "disk is full" in desk.said()
    assert "naps" in desk.run("board", "logs", "small")
    desk.run("run", "study.toml", "--board", "small", "--source", "none", code=3)
    assert "disk is full" in desk.said().splitlines()[-1]
    link.run(["rm", "disk/filler"])
    desk.run("run", "study.toml", "--board", "small", "--source", "none")
    assert desk.values() == undisturbed(**study)


def test_the_wall_clock_is_stepped_by_a_day(alpha, new_desk, tmp_path, undisturbed):
    """As when the time server is reached for the first time: a board has no battery for its
    clock.
    """
    lib = tmp_path / "lib"
    lib.mkdir()
    (lib / "sitecustomize.py").write_text(
        "import os, time\nreal = time.time\ntime.time = lambda: real() + 86400 * "
        f"os.path.exists({str(tmp_path / 'stepped')!r})\n"
    )
    desk = new_desk(alpha)
    text = (desk.folder / "config.toml").read_text()
    (desk.folder / "config.toml").write_text(
        text.replace('PYTHONPATH = "', f'PYTHONPATH = "{lib}:')
    )
    study = {"epochs": 5, "pause_s": 0.4}
    process = desk.start(
        "run", desk.naps(**study), "--board", "alpha", "--source", "simulated", "--idle", "0"
    )
    wait_for(lambda: epochs(alpha) > 1, "an epoch")
    (tmp_path / "stepped").write_text("")
    desk.end(process)
    assert desk.values() == undisturbed(**study)
    stage = next(iter(desk.stages().values()))
    assert stage.attempts == 1
    assert 2.0 <= stage.seconds < 60.0


def test_old_python_on_the_board(new_board, old_python, new_desk, undisturbed):
    board = new_board("old", python=old_python)
    desk = new_desk(board)
    study = {"epochs": 2, "pause_s": 0.1}
    desk.run("run", desk.naps(**study), "--board", "old", "--source", "none")
    assert desk.values() == undisturbed(**study)
    assert {one.environment["python"][:4] for one in desk.records().values()} == {"3.6."}
    assert os.listdir(board.home / "joulebird")
