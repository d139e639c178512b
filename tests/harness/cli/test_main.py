"""The command line as a user meets it: one or two lines for every mistake, no traceback, the
right exit code.
"""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import pytest

from joulebird import __version__
from joulebird.harness.cli.main import help_text
from joulebird.harness.verbs import BOARD_VERBS, HELPERS, VERBS
from tests.harness.command import joulebird, process, refused

SPEC = {
    "method": "tests.harness.toy:only_grow",
    "model": "vgg16",
    "dataset": "digits",
    "prune_ratio": 0.5,
}
HOST = sys.version_info >= (3, 11)


def write(path, data):
    path.write_text(json.dumps(data))
    return path


def test_help_names_every_verb_and_the_exit_codes():
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert joulebird(*words) == (0, help_text(), "")
    for verb in (*VERBS, *HELPERS):
        assert f"\n  {verb} " in help_text()
    assert "130 interrupted" in help_text()
    assert len(VERBS) <= 19  # board is one of them


def test_help_of_the_group_and_of_a_verb():
    for words in (["board"], ["board", "-h"], ["help", "board"]):
        code, out, _ = joulebird(*words)
        assert code == 0
        assert all(f"\n  {verb} " in out for verb in BOARD_VERBS)
    assert joulebird("help", "run") == joulebird("run", "--help")
    assert joulebird("help", "run")[1].startswith("usage: joulebird run ")
    refused(2, ["help", "rnu"], "unknown verb 'rnu'", "did you mean 'run'")
    refused(2, ["board", "statsu"], "unknown verb of `joulebird board`", "did you mean 'status'")


def test_a_process_says_the_same():
    assert process("--help") == (0, help_text(), "")
    assert process("rnu") == joulebird("rnu")


def test_version():
    assert joulebird("--version")[:2] == (0, f"joulebird {__version__}\n")


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["flops", "--help"]])
def test_help_imports_nothing_heavy(words):
    script = (
        f"import sys; sys.argv = ['x'] + {words!r}; from joulebird.harness.cli.main import "
        "main\ntry: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'serial'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.returncode == 0, process.stderr


@pytest.mark.alone
def test_help_and_import_are_fast_beside_an_empty_python():
    """In processor time, which other tests do not take. Three starts of a bare Python are 0.07 s
    on a fast desk, where each may take 0.05 s more than one.
    """
    commands = {
        "bare": ["-c", "pass"],
        "import": ["-c", "import joulebird"],
        "help": ["-m", "joulebird", "--help"],
    }
    best_s = dict.fromkeys(commands, 1e9)
    for _ in range(8):
        for name, words in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable] + words, stdout=subprocess.PIPE, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
            best_s[name] = min(best_s[name], spent_s)
    assert best_s["import"] < 3 * best_s["bare"]
    assert best_s["help"] < 3 * best_s["bare"]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["rnu"], ["unknown verb 'rnu'", "did you mean 'run'"]),
        (["run", "--nosuch"], ["run: unrecognized arguments: --nosuch", "run --help"]),
        (["run"], ["name a study or a spec"]),
        (["run", "nowhere.json"], ["nowhere.json: no such file"]),
        (["run", "x.json", "--idle", "-3"], ["run: --idle: must be 0 or more", "run --help"]),
        (["run", "x.json", "--period", "0"], ["run: --period: must be above 0"]),
        (
            ["flops", "--model", "vgg61", "--dataset", "digits"],
            ["unknown model 'vgg61'", "did you mean 'vgg16'"],
        ),
        (
            ["flops", "--model", "vgg16", "--dataset", "digitz"],
            ["unknown dataset 'digitz'", "did you mean 'digits'"],
        ),
        (
            ["flops", "--model", "vgg16", "--dataset", "digits", "--uniform", "1.5"],
            ["--uniform", "below 1"],
        ),
        (
            ["flops", "--model", "vgg16", "--dataset", "digits", "--channels", "nowhere.json"],
            ["nowhere.json: no such file"],
        ),
        (["flops", "--model", "vgg16"], ["--dataset"]),
        (["watch", "-n", "0"], ["watch: -n/--count: must be a number of 1 or more (got '0')"]),
        (["watch", "-n", "1.5"], ["must be a number of 1 or more"]),
        (["sources", "--source", ""], ["sources: --source: must not be empty"]),
        (["flops", "--net"], ["flops: ", "--net", "measures nothing"]),
    ],
)
def test_a_wrong_command_line(words, parts):
    if words == ["flops", "--net"]:
        words = ["flops", "--model", "vgg16", "--dataset", "digits", "--net"]
    refused(2, words, *parts)


@pytest.mark.skipif(not HOST, reason="verbs of the desk")
@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["energy", "log.csv", "--map", ""], ["energy: --map: must not be empty"]),
        (["plan", "smoke", "--board", ""], ["plan: --board: must not be empty"]),
        (["board", "status", ""], ["board status: NAME: must not be empty"]),
        (["board", "add", ""], ["board add: NAME: must not be empty"]),
        (["energy", "log.csv", "--energy", "x"], ["arguments: --energy", "no finished run"]),
        (["energy", "nowhere.csv", "--json", "-o", ""], ["-o/--output: must not be empty"]),
    ],
)
def test_a_wrong_command_line_at_the_desk(words, parts):
    refused(2, words, *parts)


@pytest.mark.skipif(not HOST, reason="a verb of the desk")
def test_a_board_of_an_impossible_name_is_refused_before_it_is_tried(tmp_path, monkeypatch):
    from joulebird.harness.verbs.board import add

    monkeypatch.setenv("JOULEBIRD_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setattr(add, "Agent", None)
    refused(2, ["board", "add", "a b"], "field 'board.a b.host' must be a host name", "no blanks")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is a device of Linux")
def test_a_device_without_an_end_is_not_read():
    given = ["flops", "--model", "vgg16", "--dataset", "digits"]
    refused(2, [*given, "--channels", "/dev/zero"], "/dev/zero: is a device", "name a file")
    if HOST:
        refused(2, ["energy", "/dev/full"], "/dev/full: is a device", "name a file or a pipe")


@pytest.mark.parametrize(
    ("option", "name", "text"),
    [
        ("--model", "os:sep", "os:sep is no model: it has no dense_widths"),
        ("--model", "os:getcwd", "os:getcwd is no model"),
        ("--dataset", "os:sep", "os:sep is no data set: it has no shape"),
    ],
)
def test_a_name_of_the_users_that_is_no_model_or_data_set(option, name, text):
    pytest.importorskip("torch")
    given = ["flops", "--model", "vgg16", "--dataset", "digits", option, name]
    refused(2, given, text, "see CONTRIBUTING.md")


def test_the_lists_of_run_are_json_too():
    code, out, _ = joulebird("run", "--list", "--format", "json")
    assert code == 0
    assert "epsilon = 0.1 (float)" in json.loads(out)["methods"]["eb-train"]


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"method": "eb-trian"}, ["unknown method 'eb-trian'", "did you mean 'eb-train'"]),
        ({"method": "tests.harness.toy:nothing"}, ["has no 'nothing'"]),
        ({"method": "tests.harness.nowhere:x"}, ["tests.harness.nowhere"]),
        ({"method": "snip", "model": "vgg17"}, ["unknown model 'vgg17'"]),
        ({"dataset": "cifar-10"}, ["unknown dataset", "did you mean 'cifar10'"]),
        ({"prune_ratio": "half"}, ["field 'prune_ratio'", "expected a number, got 'half'"]),
        ({"prune_ratio": 1.0}, ["field 'prune_ratio' must be", "below 1"]),
        ({"prune_ratio": True}, ["field 'prune_ratio'", "expected a number, got True"]),
        ({"seed": 1.5}, ["field 'seed'", "expected an integer, got 1.5"]),
        ({"seed": -1}, ["field 'seed' must be at least 0"]),
        ({"epochs": 0}, ["field 'epochs' must be at least 1 (got 0)"]),
        ({"lr": 0}, ["field 'lr' must be above 0"]),
        ({"milestones": [8, 3]}, ["field 'milestones' must be increasing"]),
        ({"milestones": "80"}, ["field 'milestones'", "expected a list of integers"]),
        ({"device": "tpu"}, ["field 'device' must be"]),
        ({"epoch": 3}, ["unknown field 'epoch'", "did you mean 'epochs'"]),
        ({"options": {"stpe": 1}}, ["unknown field 'stpe'", "did you mean 'step'"]),
        ({"options": {"step": "big"}}, ["field 'step'", "expected a number, got 'big'"]),
        ({"options": [1]}, ["field 'options'", "expected a table"]),
        ({"method": None}, ["field 'method'", "expected a string, got null"]),
    ],
)
def test_a_wrong_spec(tmp_path, change, parts):
    path = write(tmp_path / "spec.json", dict(SPEC, **change))
    refused(2, ["run", path, "--runs", tmp_path / "runs"], *parts)
    assert not (tmp_path / "runs").exists()


def test_a_spec_that_lacks_a_field_or_is_no_object(tmp_path):
    refused(2, ["run", write(tmp_path / "a.json", {"method": "snip"})], "lacks the field 'model'")
    refused(
        2,
        ["run", write(tmp_path / "b.json", [SPEC, 3])],
        "b.json, run 2",
        "expected a table, got 3",
    )
    refused(
        2,
        ["run", write(tmp_path / "c.json", dict(SPEC, format=9))],
        "c.json: format 9",
        "update joulebird",
    )
    refused(2, ["run", write(tmp_path / "d.json", [])], "d.json: holds no run")
    (tmp_path / "e.json").write_text('{"method": "snip", "method": "dense"}')
    refused(2, ["run", tmp_path / "e.json"], "'method' stands twice")
    (tmp_path / "f.json").write_text("[" * 100000)
    refused(2, ["run", tmp_path / "f.json"], "f.json: not valid JSON (nested more than 100 deep)")
    words = ["run", write(tmp_path / "g.json", SPEC), "--source", "none", "--lock", "a/b"]
    refused(
        2,
        [*words, "--runs", tmp_path / "runs"],
        "the lock a/b cannot be opened (No such file or directory)",
        "name a regular file on a local disk: --lock",
    )


def test_a_data_set_that_is_missing_is_told_before_anything_is_trained(tmp_path):
    spec = dict(SPEC, method="dense", epochs=1, width=0.0625)
    path = write(tmp_path / "two.json", [spec, dict(spec, dataset="cifar10")])
    refused_runs = tmp_path / "runs"
    code, out, errors = joulebird(
        "run", path, "--runs", refused_runs, "--source", "none", "--quiet"
    )
    assert code == 2
    assert "cifar10" in errors.lower().replace("-", "")
    assert "Traceback" not in errors
    assert not (refused_runs / "stages").exists()
    (tmp_path / "c.json").write_text('{"method": ')
    refused(2, ["run", tmp_path / "c.json"], "c.json: not valid JSON")


def test_a_wrong_power_source(tmp_path):
    path = write(tmp_path / "spec.json", SPEC)
    refused_at = ["run", path, "--runs", tmp_path / "runs", "-q"]
    refused(
        4,
        refused_at + ["--source", "ina3222"],
        "unknown source 'ina3222'",
        "did you mean 'ina3221'",
    )
    refused(2, refused_at + ["--source", "ina3221", "--source-option", "root"], "not NAME=VALUE")
    refused(
        4,
        refused_at + ["--source", "ina3221", "--source-option", f"root={tmp_path}"],
        "INA3221",
        str(tmp_path),
    )
    refused(4, refused_at + ["--source", "ina3221", "--source-option", "ruut=/"], "ruut")
    assert list((tmp_path / "runs" / "stages").glob("*/stage.json")) == []


def test_a_data_set_that_is_not_there(tmp_path):
    path = write(tmp_path / "spec.json", dict(SPEC, method="dense", dataset="cifar10", epochs=1))
    command = ["run", path, "--runs", tmp_path / "runs", "--source", "none", "-q"]
    refused(2, command, "CIFAR10", "--data-dir")
    refused(2, command + ["--data-dir", tmp_path], "CIFAR10", str(tmp_path))


def test_a_runs_folder_that_cannot_be_written(tmp_path):
    path = write(tmp_path / "spec.json", SPEC)
    (tmp_path / "file").write_text("")
    refused(
        2,
        ["run", path, "--runs", tmp_path / "file" / "runs", "--source", "none"],
        "cannot be written",
        "--runs",
    )


def test_a_damaged_record_and_a_newer_one(tmp_path):
    path = write(tmp_path / "spec.json", SPEC)
    command = ["run", path, "--runs", tmp_path / "runs", "--source", "none", "-q"]
    from joulebird.harness.runs.spec import from_dict

    folder = tmp_path / "runs" / from_dict(SPEC).id
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{")
    assert joulebird(*command, "-n")[1].startswith("to do ")  # and is written again
    write(folder / "record.json", {"format": 7})
    refused(2, command, "format 7", "update joulebird")


def test_a_dry_run_trains_nothing(tmp_path):
    path = write(tmp_path / "spec.json", SPEC)
    code, out, errors = joulebird("run", path, "--runs", tmp_path / "runs", "-n")
    assert (code, errors) == (0, "")
    assert re.match(r"to do +tests-harness-toy-only-grow-vgg16-digits-p50-s1-[0-9a-f]{6}\n$", out)
    code, out, _ = joulebird("run", path, "--runs", tmp_path / "runs", "-n", "--json")
    assert len(json.loads(out)["ahead"]) == 1
    assert not (tmp_path / "runs").exists()


def test_the_list_of_methods_shows_options_without_importing_torch():
    script = (
        "import sys; from joulebird.harness.cli.main import main; main(['run', '--list']); "
        "sys.exit('torch' in sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, universal_newlines=True
    )
    assert process.returncode == 0
    assert "epsilon = 0.1 (float)" in process.stdout
    assert "lottery-ticket\n" in process.stdout


def test_a_finished_run_returns_without_importing_torch(tmp_path):
    pytest.importorskip("torch")
    spec = write(
        tmp_path / "spec.json", dict(SPEC, method="dense", epochs=1, width=0.0625, batch=512)
    )
    command = ["run", str(spec), "--runs", str(tmp_path / "runs"), "--source", "none", "--json"]
    code, out, errors = joulebird(*command)
    assert code == 0
    assert "no power source" in errors
    script = (
        f"import sys; from joulebird.harness.cli.main import main; main({command!r}); "
        "sys.exit('torch' in sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert process.returncode == 0
    assert process.stdout == out
    assert "all runs are done (1): " in process.stderr
    assert "runs without energy, for want of a power source: 1." in process.stderr
    assert 0 <= json.loads(out)["runs"][0]["accuracy"]["last"] <= 1


def test_a_failed_training_ends_with_exit_code_5_and_keeps_its_log(tmp_path):
    pytest.importorskip("torch")
    spec = write(tmp_path / "spec.json", dict(SPEC, method="dense", epochs=3, width=0.0625, lr=1e8))
    code, _, errors = joulebird("run", spec, "--runs", tmp_path / "runs", "--source", "none", "-q")
    assert code == 5
    assert "Traceback" not in errors
    assert "not a number" in errors
    assert "learning rate" in errors
    assert list((tmp_path / "runs" / "stages").glob("*/events.jsonl"))


@pytest.mark.skipif(HOST, reason="the other side of the border: on the host these verbs exist")
def test_a_board_says_which_verbs_need_the_host():
    refused(2, ["demo"], "needs the desk's Python", "3.6")
    refused(2, ["run", "table2"], "desk's Python")


def test_a_closed_pipe_is_quiet():
    process = subprocess.Popen(
        [sys.executable, "-m", "joulebird", "run", "--list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.wait()
    assert errors == b""


@pytest.mark.parametrize(
    ("number", "times"),
    [
        (signal.SIGINT, 1),
        pytest.param(signal.SIGINT, 2, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 2, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c(tmp_path, number, times):
    """Once (or SIGTERM, SIGHUP): the epoch in hand is finished and kept. Twice: at once. What was
    finished is there.
    """
    pytest.importorskip("torch")
    spec = write(
        tmp_path / "spec.json", dict(SPEC, method="dense", epochs=60, width=0.0625, batch=256)
    )
    command = [
        sys.executable,
        "-m",
        "joulebird",
        "run",
        str(spec),
        "--runs",
        str(tmp_path / "runs"),
        "--source",
        "none",
    ]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        env=dict(os.environ, OMP_NUM_THREADS="1"),
    )
    for line in process.stderr:
        if "epoch 2/60" in line:
            break
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.05)
    rest = process.stderr.read()
    assert process.wait() == 130
    assert "Traceback" not in rest
    assert "stopping after this epoch" in rest
    assert "the same command again" in rest
    assert list((tmp_path / "runs" / "stages").glob("*/checkpoint.pt"))
