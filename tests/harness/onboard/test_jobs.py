"""Jobs on the board: started detached, followed, stopped, and honest about how they ended."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from joulebird.harness.core import lock
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.onboard import follow, jobs, supervise

OWNER = {"user": "ann", "host": "desk"}


def make(tmp_path, script, job_id="20260101T000000Z-a", runs=("r1",)):
    """Ask for a job that runs a Python text."""
    return {
        "id": job_id,
        "argv": [sys.executable, "-u", "-c", script],
        "env": {"MARK": "x y"},
        "cwd": str(tmp_path),
        "lock": str(tmp_path / "lock"),
        "owner": OWNER,
        "runs": list(runs),
    }


def wait_for(condition, seconds=30.0):
    """Poll until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def finish(tmp_path, found):
    """Wait for a job's end and give what it says."""
    path = jobs.folder(str(tmp_path), found["job"]["id"])
    wait_for(lambda: not jobs.is_alive(path))
    return jobs.read(path)


def test_runs_to_its_end_with_its_environment_and_log(tmp_path):
    found = supervise.start(
        str(tmp_path),
        make(tmp_path, "import os; print(os.environ['MARK'], os.getcwd()); raise SystemExit(5)"),
    )
    ended = finish(tmp_path, found)
    assert ended["status"] == "ended"
    assert ended["exit"]["code"] == 5
    assert not ended["rebooted"]
    text = follow.log(jobs.folder(str(tmp_path), found["job"]["id"]))["text"]
    assert f"x y {os.path.realpath(str(tmp_path))}" in text
    assert text.startswith("$ ")
    assert "x y" in ended["exit"]["tail"]


def test_it_outlives_whoever_started_it(tmp_path):
    asked = make(tmp_path, "import time; time.sleep(1); open('done', 'w')")
    script = (
        "import json, sys; from joulebird.harness.onboard import supervise; "
        "supervise.start(sys.argv[1], json.loads(sys.argv[2]))"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), json.dumps(asked)], start_new_session=True
    )
    starter.wait()
    with pytest.raises(ProcessLookupError):
        os.killpg(starter.pid, signal.SIGKILL)
    assert lock.holder(asked["lock"])["user"] == "ann"
    wait_for((tmp_path / "done").exists)


def test_one_at_a_time_and_the_lock_names_the_owner(tmp_path):
    first = supervise.start(str(tmp_path), make(tmp_path, "import time; time.sleep(60)"))
    second = supervise.start(str(tmp_path), make(tmp_path, "pass", "20260101T000001Z-b"))
    assert second["busy"]["user"] == "ann"
    assert second["busy"]["host"] == "desk"
    assert second["busy"]["job"] == first["job"]["id"]
    os.kill(first["state"]["pid"], signal.SIGKILL)
    assert finish(tmp_path, first)["exit"]["code"] == -signal.SIGKILL
    assert lock.holder(str(tmp_path / "lock")) is None


def test_stop_once_is_sigterm_twice_is_sigint(tmp_path):
    script = (
        "import signal, time\nseen = []\nfor n in (signal.SIGTERM, signal.SIGINT):\n"
        "    signal.signal(n, lambda number, frame: (seen.append(number), print(seen, "
        "flush=True)))\n"
        "print('ready', flush=True)\nwhile len(seen) < 2: time.sleep(0.02)\n"
    )
    found = supervise.start(str(tmp_path), make(tmp_path, script))
    path = jobs.folder(str(tmp_path), found["job"]["id"])
    wait_for(lambda: "\nready\n" in follow.log(path)["text"])
    follow.stop(str(tmp_path), "r1")
    wait_for(lambda: "[15]" in follow.log(path)["text"].replace("<Signals.SIGTERM: 15>", "15"))
    follow.stop(str(tmp_path), None)
    assert finish(tmp_path, found)["exit"]["code"] == 0
    with pytest.raises(HarnessError, match="nothing to stop"):
        follow.stop(str(tmp_path), None)


def test_a_job_that_does_not_obey_is_killed_after_the_second_request(tmp_path):
    script = (
        "import signal, time\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nprint('ready', "
        "flush=True)\ntime.sleep(600)"
    )
    asked = make(tmp_path, script)
    path = jobs.create(str(tmp_path), asked)
    inner = (
        "import sys; from joulebird.harness.onboard import supervise; supervise.GRACE_S = 0.2; "
        "sys.exit(supervise.supervise(sys.argv[1]))"
    )
    keeper = subprocess.Popen([sys.executable, "-c", inner, path])
    wait_for(lambda: "\nready\n" in follow.log(path)["text"])
    for _ in range(2):
        keeper.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    keeper.wait()
    assert jobs.read(path)["exit"]["code"] == -signal.SIGKILL


def test_a_killed_supervisor_leaves_the_job_running_and_the_board_locked(tmp_path):
    found = supervise.start(str(tmp_path), make(tmp_path, "import time; time.sleep(60)"))
    path = jobs.folder(str(tmp_path), found["job"]["id"])
    os.kill(found["state"]["supervisor"], signal.SIGKILL)
    time.sleep(0.2)
    assert jobs.read(path)["status"] == "running"
    assert lock.holder(str(tmp_path / "lock")) is not None
    follow.stop(str(tmp_path), None)
    wait_for(lambda: not jobs.is_alive(path))
    assert jobs.read(path)["status"] == "lost"


def test_a_reboot_is_seen(tmp_path, monkeypatch):
    found = supervise.start(str(tmp_path), make(tmp_path, "pass"))
    finish(tmp_path, found)
    monkeypatch.setattr(jobs, "boot_id", lambda: "another")
    assert jobs.read(jobs.folder(str(tmp_path), found["job"]["id"]))["rebooted"]


def test_a_command_that_cannot_start_is_an_end_with_a_reason(tmp_path):
    asked = make(tmp_path, "")
    asked["argv"] = ["/no/such/launcher"]
    ended = finish(tmp_path, supervise.start(str(tmp_path), asked))
    assert ended["exit"]["code"] == 1
    assert "No such file" in ended["exit"]["tail"]


def test_follow_gives_the_log_and_the_end_at_once(tmp_path):
    script = (
        "import time\nprint('one', flush=True)\ntime.sleep(0.5)\nprint('two', "
        "flush=True)\ntime.sleep(0.5)"
    )
    found = supervise.start(str(tmp_path), make(tmp_path, script))
    said = []
    path = jobs.folder(str(tmp_path), found["job"]["id"])
    follow.follow(path, 0, 3600.0, said.append, lambda: time.sleep(3600))
    text = "".join(part.get("text", "") for part in said)
    assert "one\n" in text
    assert text.endswith("two\n")
    assert said[-1]["end"]["exit"]["code"] == 0
    assert len(said) <= 3  # an hour between two looks: only the end woke it
    again = []
    follow.follow(path, said[-2]["next"], 3600.0, again.append, lambda: time.sleep(3600))
    assert [part.get("text") for part in again] == ["", None]
    assert "end" in again[-1]


def test_follow_ends_when_the_watcher_is_gone(tmp_path):
    found = supervise.start(str(tmp_path), make(tmp_path, "import time; time.sleep(60)"))
    said = []
    follow.follow(
        jobs.folder(str(tmp_path), found["job"]["id"]), 0, 3600.0, said.append, lambda: None
    )
    assert not any("end" in part for part in said)
    os.kill(found["state"]["pid"], signal.SIGKILL)
    finish(tmp_path, found)


def test_the_newest_job_of_a_run_is_found(tmp_path):
    for number, runs in enumerate((("r1", "r2"), ("r2",), ("r3",))):
        finish(
            tmp_path,
            supervise.start(
                str(tmp_path), make(tmp_path, "pass", f"2026010{number}T000000Z-x", runs)
            ),
        )
    assert os.path.basename(jobs.find(str(tmp_path), "r2")) == "20260101T000000Z-x"
    assert os.path.basename(jobs.find(str(tmp_path), None)) == "20260102T000000Z-x"
    with pytest.raises(HarnessError, match="no job on the board has the run nothing"):
        jobs.find(str(tmp_path), "nothing")
    found = follow.status(str(tmp_path), str(tmp_path / "lock"))
    assert [one["status"] for one in found["jobs"]] == ["ended"] * 3
    assert found["holder"] is None
    assert found["machine"]["free_bytes"] > 0


def test_lingering_users_get_a_systemd_unit(tmp_path, monkeypatch):
    """systemd itself is not in a container: a stand-in takes the same command line, and hands
    the job to init as systemd would.
    """
    stand_in = tmp_path / "systemd-run"
    stand_in.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/asked"\nwhile [ "$1" != "--" ]; do shift; '
        "done\nshift\n"
        'setsid -f "$@" </dev/null >/dev/null 2>&1\n'
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", "{}:{}".format(tmp_path, os.environ["PATH"]))
    monkeypatch.setattr(supervise.machine, "lingers", lambda: True)
    found = supervise.start(str(tmp_path), make(tmp_path, "import os; print(os.environ['HOME'])"))
    assert finish(tmp_path, found)["exit"]["code"] == 0
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[:3] == ["--user", "--collect", "--quiet"]
    assert "--unit=joulebird-" + found["job"]["id"] in asked


def test_systemd_that_refuses_is_replaced_by_a_session_of_its_own(tmp_path, monkeypatch):
    stand_in = tmp_path / "systemd-run"
    stand_in.write_text("#!/bin/sh\nexit 1\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", "{}:{}".format(tmp_path, os.environ["PATH"]))
    monkeypatch.setattr(supervise.machine, "lingers", lambda: True)
    assert (
        finish(tmp_path, supervise.start(str(tmp_path), make(tmp_path, "pass")))["exit"]["code"]
        == 0
    )
