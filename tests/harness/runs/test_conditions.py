"""Conditions belong to the attempt: a stage is never trained under two kinds of them."""

import io
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from joulebird.devices.board.control import Board
from joulebird.devices.board.identify import serial
from joulebird.devices.recorder import parent
from joulebird.harness.cli.progress import Progress
from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import attempts, kept_epochs
from joulebird.harness.core.powerlog import format_header, format_row
from joulebird.harness.core.registry import own_sources, source_hash
from joulebird.harness.power.recorders import Recorders, other_log
from joulebird.harness.power.sources import choose, recorders_for
from joulebird.harness.runs import engine
from joulebird.harness.runs.conditions import differences, fingerprint
from joulebird.harness.runs.recipe import recipe_of
from joulebird.harness.runs.rundir import is_finished
from joulebird.harness.runs.session import Session, run_all
from joulebird.harness.runs.spec import from_dict
from joulebird.harness.runs.stage import Interrupted
from tests.devices.fake_tx2_tree import FakeTX2
from tests.harness import toy
from tests.harness.command import joulebird, refused
from tests.harness.runs import test_kill_real as real

AS_ROOT = [] if os.geteuid() == 0 else ["unshare", "-Ur"]
INA = {
    "name": "ina3221",
    "sensor": "0-0041",
    "sampling": "average",
    "scope": "module",
    "rails": ["VDD_IN"],
    "total": ["VDD_IN"],
    "real": True,
}


class Recorder(toy.FakeRecorder):
    """A recorder of a source with this description."""

    def __init__(self, source):
        super().__init__([])
        self.source = source

    def describe(self):
        return self.source


def spec_of(method="only_grow", **fields):
    given = {"method": "tests.harness.toy:" + method, "model": "vgg16", "dataset": "digits"}
    return from_dict(dict(dict(given, prune_ratio=0.5, epochs=6), **fields), "test")


class Here:
    """A folder of runs on a fake TX2."""

    def __init__(self, tmp_path):
        self.root = str(tmp_path / "runs")
        self.talk = io.StringIO()
        self.board = FakeTX2(str(tmp_path / "tree"), carrier=False).build()
        self.sudo = ["false"]
        self.notes = str(tmp_path / "notes")

    def mode(self, number):
        self.board.put("/var/lib/nvpmodel/status", f"pmode:{number:04d}\n", 0o644)

    def session(self, source=INA, **options):
        makers = {"": source if callable(source) else lambda: Recorder(source)} if source else {}
        return Session(
            self.root,
            Recorders(makers),
            Progress(self.talk, environ={}),
            backend=toy.Backend(),
            board_root=self.board.root,
            make_board=self.make_board,
            **options,
        )

    def make_board(self, root, sleep):
        return Board(root, self.notes, sudo=self.sudo)

    def stop_after(self, number, spec, **options):
        """Train up to this epoch."""
        session = self.session(**options)
        toy.stop_after(session, number)
        with pytest.raises(Interrupted), session:
            run_all(session, [spec])

    def run(self, *specs, **options):
        with self.session(**options) as session:
            run_all(session, list(specs))
        return [record.read_run(self.root, spec.id) for spec in specs]

    def stages(self):
        return sorted(os.listdir(os.path.join(self.root, "stages")))

    def tries(self, number=0):
        return attempts(record.stage_events(self.root, self.stages()[number]))

    def stage(self):
        return record.read_stage(self.root, self.stages()[0])

    def names(self):
        return [warning["name"] for warning in self.stage().warnings]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_ROOT", str(tmp_path / "tree"))
    made = Here(tmp_path)
    yield made
    made.board.close()


def check_unmixed(root):
    """Each stage's epochs that count are without a hole, under one fingerprint, as in its record.

    They begin with 1, or where the schedule is taken up.
    """
    for stage_id in os.listdir(os.path.join(root, "stages")):
        kept = [event for event, _ in kept_epochs(attempts(record.stage_events(root, stage_id)))]
        numbers = [event["epoch"] for event in kept]
        first = numbers[0] if "train-" in stage_id else 1
        assert numbers == list(range(first, first + len(kept)))
        marks = {event["conditions"] for event in kept}
        assert len(marks) <= 1
        if record.is_done(record.stage_dir(root, stage_id), record.STAGE):
            assert marks <= {record.read_stage(root, stage_id).conditions}


def test_each_attempt_holds_its_machine_source_and_fingerprint(here):
    here.mode(0)
    here.stop_after(2, spec_of())
    here.run(spec_of())
    first, second = (attempt.first for attempt in here.tries())
    assert first["environment"]["power_mode"] == "MAXN"
    assert first["environment"]["board_serial"] == "0320218112345"
    assert first["environment"]["clock_limits_hz"]["gpu"]
    assert first["source"] == INA
    assert first["device"] == "cpu"
    assert first["conditions"] == second["conditions"] == here.stage().conditions
    assert second["from_epoch"] == 2
    assert "restarted" not in second
    check_unmixed(here.root)


def test_another_power_mode_restarts_an_unattended_stage(here):
    here.mode(0)
    here.stop_after(3, spec_of())
    here.mode(1)
    done = here.run(spec_of())[0]
    first, second = here.tries()
    assert second.first["restarted"] is True
    assert second.first["from_epoch"] == 0
    assert first.useful is None
    assert first.epochs == ()
    assert [event["epoch"] for event in second.epochs] == [1, 2, 3, 4, 5, 6]
    assert here.stage().environment["power_mode"] == "MAXQ"
    assert here.stage().seconds == pytest.approx(second.useful.seconds, abs=1e-5)
    assert here.stage().attempts == 2
    (restarted,) = [one for one in done.warnings if one["name"] == "restarted"]
    assert "power_mode MAXN -> MAXQ" in restarted["text"]
    rows = Path(record.stage_dir(here.root, here.stages()[0]), record.EPOCHS).read_text()
    assert [row.split(",")[0] for row in rows.splitlines()[1:]] == list("123456")
    check_unmixed(here.root)


def test_a_restarted_stage_that_is_killed_continues_from_itself(here):
    here.mode(0)
    here.stop_after(4, spec_of())
    here.mode(1)
    here.stop_after(2, spec_of())
    here.run(spec_of())
    assert [attempt.first["from_epoch"] for attempt in here.tries()] == [0, 0, 2]
    assert [len(attempt.epochs) for attempt in here.tries()] == [0, 2, 4]
    check_unmixed(here.root)


def test_the_former_power_mode_is_restored_where_that_is_possible(here):
    here.sudo = AS_ROOT
    here.mode(0)
    here.stop_after(3, spec_of())
    here.mode(1)
    here.run(spec_of())
    assert [attempt.first["from_epoch"] for attempt in here.tries()] == [0, 3]
    assert "restarted" not in here.names()
    assert "former" not in here.talk.getvalue()
    assert "state of the killed attempt" in here.talk.getvalue()
    assert "0001" in Path(here.board.p("/var/lib/nvpmodel/status")).read_text()
    check_unmixed(here.root)


def test_clocks_that_a_reboot_unlocked_are_locked_again(here):
    here.sudo = AS_ROOT
    here.mode(0)
    subprocess.check_call([*AS_ROOT, here.board.p("/usr/bin/jetson_clocks")])
    here.stop_after(3, spec_of())
    subprocess.check_call(["chmod", "-R", "u+w", here.board.root])
    here.board.build()
    here.run(spec_of())
    assert [attempt.first["from_epoch"] for attempt in here.tries()] == [0, 3]
    assert here.stage().environment["clocks_locked"] is True
    assert Board(here.board.root).state()["clocks_locked"] is False
    check_unmixed(here.root)


def test_a_user_at_a_terminal_decides(here, monkeypatch):
    here.mode(0)
    here.stop_after(3, spec_of())
    here.mode(1)
    monkeypatch.setattr(engine, "interactive", lambda: True)
    with pytest.raises(HarnessError) as refused:
        here.run(spec_of())
    assert refused.value.exit_code == 2
    assert "power_mode MAXN -> MAXQ" in refused.value.message
    assert "--restart" in refused.value.hint
    assert here.stages()[0] in refused.value.hint
    assert len(here.tries()) == 1
    here.run(spec_of(), restart=True)
    assert here.tries()[1].first["restarted"] is True


def test_a_mode_that_changes_within_an_attempt_is_warned_of_and_recorded(here):
    here.mode(0)
    session = here.session()
    epoch = session.progress.epoch

    def change(at, *rest):
        epoch(at, *rest)
        here.mode(1 if at >= 3 else 0)

    session.progress.epoch = change
    with session:
        run_all(session, [spec_of()])
    kept = here.tries()[0].epochs
    assert len({event["conditions"] for event in kept[:3]}) == 1
    assert kept[0]["conditions"] == here.stage().conditions
    assert kept[5]["conditions"] != kept[0]["conditions"]
    assert here.names().count("conditions_changed") == 1


@pytest.mark.parametrize("name", ["sensor", "scope", "rails", "name"])
def test_another_source_in_a_study_is_refused_before_it_trains(here, name):
    here.run(spec_of())
    other = dict(INA, **{name: ["VDD_X"] if name == "rails" else "x"})
    with pytest.raises(HarnessError) as refused:
        here.run(spec_of(), spec_of(seed=2), source=other)
    assert refused.value.exit_code == 2
    assert here.stages()[0] in refused.value.message
    assert "ina3221" in refused.value.message
    assert "--runs" in refused.value.hint
    assert len(here.stages()) == 1


def test_of_long_texts_only_the_part_that_differs_is_printed(here):
    """A TX2's sensor has 18 rails and shunts: 400 letters."""
    rails = [f"0x4{n // 3}/{n % 3} VDD_RAIL_{n:02} 20 mohm" for n in range(18)]
    long, other = (
        dict(INA, sensor=", ".join(["ina3221 of 0320218112345", *parts]))
        for parts in (rails, [*rails[:7], rails[7].replace("20 mohm", "5 mohm"), *rails[8:]])
    )
    here.stop_after(2, spec_of(), source=long)
    with pytest.raises(HarnessError) as refused:
        here.run(spec_of(), spec_of(seed=2), source=other)
    was = "ina3221 (sensor ... 0x42/1 VDD_RAIL_07 20 mohm ...)"
    assert f"was recorded by {was}; now the power source is" in refused.value.message
    assert refused.value.message.endswith("0x42/1 VDD_RAIL_07 5 mohm ...)")
    (log,) = [Path(here.root, "stages", name, record.POWER) for name in here.stages()]
    log.write_bytes(
        format_header(long, {"monotonic_s": 1.0, "wall_s": 2.0})
        + format_row(1.0, {"VDD_IN": 1.0}, ("VDD_IN",))
    )
    assert other_log(str(log), other) == (
        "another power source: sensor ... 0x42/1 VDD_RAIL_07 20 mohm ... -> "
        "... 0x42/1 VDD_RAIL_07 5 mohm ..."
    )
    assert differences({"code": "a" * 70}, {"code": "b" * 70}) == {
        "code": f"{'a' * 49} ... -> {'b' * 49} ..."
    }


@pytest.mark.parametrize("source", [None, {"name": "simulated", "real": False}])
@pytest.mark.parametrize("finished", [True, False])
def test_a_measured_study_never_goes_on_unmeasured(here, source, finished):
    if finished:
        here.run(spec_of())
    else:
        here.stop_after(2, spec_of())
    with pytest.raises(HarnessError, match="was recorded by ina3221") as refused:
        here.run(spec_of(), spec_of(seed=2), source=source)
    assert refused.value.exit_code == 2
    assert len(here.stages()) == 1


def test_a_study_without_measurements_may_go_on_measured(here):
    here.run(spec_of(), source=None)
    here.run(spec_of(), spec_of(seed=2))
    assert len(here.stages()) == 2


def test_boards_that_share_a_study_have_a_sensor_each(here):
    here.run(spec_of())
    here.board.put("/sys/firmware/devicetree/base/serial-number", b"999\0")
    here.run(spec_of(), spec_of(seed=2), source=dict(INA, sensor="another"))
    assert len(here.stages()) == 2


def cut_events(here, epochs):
    """Lose the events after an epoch, as a card that lied about its sync."""
    path = Path(record.stage_dir(here.root, here.stages()[0]), record.EVENTS)
    lines = path.read_text().splitlines(True)
    ends = [n for n, line in enumerate(lines) if json.loads(line)["event"] == "epoch"]
    path.write_text("".join(lines[: ends[epochs - 1] + 1]))


def one_rail():
    return parent.Recorder("simulated", {"cores": 1, "total": ["VDD_IN"]})


def module():
    return parent.Recorder("simulated", {"cores": 1})


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("source", "total|scope"),
        ("none", ""),
        ("head", "not a power log"),
        ("events", "no event"),
    ],
)
def test_a_log_that_cannot_be_continued_is_set_aside(here, fault, reason):
    """An attempt is killed in its first epoch; nothing that it recorded is lost."""
    here.stop_after(1, spec_of(), source=one_rail)
    folder = Path(here.root, "stages", here.stages()[0])
    lines = (folder / record.EVENTS).read_text().splitlines(True)
    kept = [line for line in lines if json.loads(line)["event"] != "epoch"]
    (folder / record.EVENTS).write_text("".join(kept))
    log = folder / record.POWER
    if fault == "head":
        log.write_bytes(b"x" + log.read_bytes())
    if fault == "events":
        (folder / record.EVENTS).write_bytes(b"")
    before = log.read_bytes()
    here.run(spec_of(), source=module if fault == "source" else one_rail)
    aside = folder / "before-1-power.csv"
    warned = [one for one in here.stage().warnings if one["name"] == "log_set_aside"]
    assert len(warned) == aside.exists() == bool(reason)
    if reason:
        assert aside.read_bytes() == before
        assert re.search(reason, warned[0]["reason"])
        assert warned[0]["text"] in here.talk.getvalue()
    else:
        assert log.read_bytes().startswith(before)
    if sys.version_info >= (3, 11):  # the desk reports
        assert "pass  raw logs are kept" in joulebird("check", here.root)[1]


def test_a_stage_without_any_checkpoint_says_so_once_with_its_remedy(here):
    here.stop_after(4, spec_of())
    for path in Path(record.stage_dir(here.root, here.stages()[0])).glob(record.CHECKPOINT + "*"):
        path.unlink()
    done = here.run(spec_of())[0]
    (restarted,) = [one for one in done.warnings if one["name"] == "restarted"]
    assert restarted["text"].count("it is missing") == 1
    assert "check the disk" in restarted["remedy"]
    assert "conditions" not in restarted["remedy"]


def test_a_checkpoint_newer_than_the_events_is_never_continued(here, tmp_path):
    here.stop_after(4, spec_of())
    cut_events(here, 2)
    done = here.run(spec_of())[0]
    assert {"restarted", "checkpoint_damaged"} <= set(here.names())
    check_unmixed(here.root)
    (tmp_path / "whole").mkdir()
    assert Here(tmp_path / "whole").run(spec_of())[0].metrics == done.metrics


def test_a_checkpoint_older_than_the_events_is_never_continued(here):
    folder = None
    here.stop_after(2, spec_of())
    folder = record.stage_dir(here.root, here.stages()[0])
    old = Path(folder, record.CHECKPOINT).read_bytes()
    here.stop_after(4, spec_of())
    for name in os.listdir(folder):
        if name.startswith(record.CHECKPOINT):
            Path(folder, name).write_bytes(old)
    done = here.run(spec_of())[0]
    assert done.accuracy["last"] == 1.0
    assert "checkpoint_damaged" in here.names()
    check_unmixed(here.root)


def test_a_checkpoint_of_an_older_version_is_continued(here):
    here.stop_after(2, spec_of())
    path = Path(record.stage_dir(here.root, here.stages()[0]), record.CHECKPOINT)
    path.write_text(json.dumps({"epoch": 2, "value": json.loads(path.read_text())["value"]}))
    here.run(spec_of())
    assert [attempt.first["from_epoch"] for attempt in here.tries()] == [0, 2]


def test_an_attempt_of_an_older_version_is_continued_as_before(here):
    here.mode(0)
    here.stop_after(2, spec_of())
    path = Path(record.stage_dir(here.root, here.stages()[0]), record.EVENTS)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        for name in ("conditions", "environment", "source", "device"):
            event.pop(name, None)
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    here.mode(1)
    here.run(spec_of())
    assert [attempt.first["from_epoch"] for attempt in here.tries()] == [0, 2]


def test_epochs_after_the_one_that_is_continued_count_as_repeated():
    def event(name, t_s, **facts):
        return dict(facts, event=name, t_s=t_s)

    first = [event("attempt_begin", 0, from_epoch=0), event("stage_begin", 1)]
    first += [event("epoch", 10 * number, epoch=number) for number in (1, 2, 3)]
    second = [event("attempt_begin", 50, from_epoch=2), event("stage_resume", 51)]
    second += [event("epoch", 60, epoch=3), event("stage_end", 61)]
    one, two = attempts(first + second)
    assert one.useful.end_s == 20
    assert [each["epoch"] for each in one.epochs] == [1, 2]
    assert two.ended
    voided, _ = attempts(first + [dict(second[0], restarted=True), *second[1:]])
    assert voided.useful is None
    assert voided.seconds == 0


def test_the_serial_number_of_a_machine(tmp_path):
    def put(path, text):
        os.makedirs(os.path.dirname(str(tmp_path / path)), exist_ok=True)
        (tmp_path / path).write_text(text)

    root = str(tmp_path)
    assert serial(root) is None
    put("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    hashed = serial(root)
    assert len(hashed) == 12
    assert hashed not in "0123456789abcdef0123456789abcdef"
    put("sys/devices/soc0/soc_uid", "0x64120C0001\n")
    assert serial(root) == "0x64120C0001"
    put("sys/devices/soc0/serial_number", "42\n")
    assert serial(root) == "42"
    put("proc/device-tree/serial-number", "0320218112345\0")
    assert serial(root) == "0320218112345"


def begun(device="cpu", source=INA, **machine):
    return {"environment": machine, "source": source, "device": device}


@pytest.mark.parametrize(
    "other",
    [
        begun(host="a", power_mode="MAXQ"),
        begun(host="b", power_mode="MAXN"),
        begun(host="a", power_mode="MAXN", threads=2),
        begun(host="a", power_mode="MAXN", code="1"),
        begun(host="a", power_mode="MAXN", packages={"torch": "2"}),
        begun(host="a", power_mode="MAXN", omp_wait_policy="active"),
        begun(host="a", power_mode="MAXN", openblas_coretype="ARMV8"),
        begun(host="a", power_mode="MAXN", board_serial="1"),
        begun("cuda", host="a", power_mode="MAXN"),
        begun(source=dict(INA, sensor="x"), host="a", power_mode="MAXN"),
    ],
)
def test_the_facts_that_may_not_differ(other):
    assert fingerprint(begun(host="a", power_mode="MAXN")) != fingerprint(other)


def test_facts_that_may_differ():
    calm = begun(host="a", boot_id="1", packages={"torch": "2"}, fan={"target_pwm": 0})
    hot = begun(host="a", boot_id="2", packages={"torch": "2", "numpy": "1"}, fan={})
    assert fingerprint(calm) == fingerprint(hot)
    assert fingerprint(begun(cuda_device="gpu")) == fingerprint(begun())
    assert fingerprint(begun("cuda", cuda_device="gpu")) != fingerprint(begun("cuda"))


# the user's own files

OWN = '''
import time

def train(stage, task):
    stage.metric(test_accuracy={accuracy})
    return {{"value": 1}}

def own(task, run):
    """Train."""
    return run.stage("only", train, task)
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a module of the user's own, and forget it, so that the next import reads it again."""
    name = f"own_{tmp_path.name}".replace("-", "_")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(accuracy):
        (tmp_path / f"{name}.py").write_text(OWN.format(accuracy=accuracy))
        sys.modules.pop(name, None)
        source_hash.cache_clear()
        return f"{name}:own"

    return write


def test_an_edited_method_of_the_users_own_is_not_done(here, own):
    spec = spec_of()._replace(method=own(0.25), options=())
    assert here.run(spec)[0].accuracy["last"] == 0.25
    assert is_finished(here.root, spec.id)
    own(0.75)
    assert not is_finished(here.root, spec.id)
    assert here.run(spec)[0].accuracy["last"] == 0.75
    assert len(here.stages()) == 2
    own(0.25)
    assert here.run(spec)[0].accuracy["last"] == 0.25
    assert len(here.stages()) == 2


def test_an_edited_module_that_an_own_one_imports_makes_it_another(tmp_path, monkeypatch):
    package = f"lab_{tmp_path.name}".replace("-", "_")
    monkeypatch.syspath_prepend(str(tmp_path))
    files = {
        "__init__.py": "",
        "own.py": "from . import near\nfrom .deep.far import x\ndef f():\n    import gone",
        "near.py": f"import {package}.other, {package}.own",
        "other.py": "x = 1",
        "unused.py": "x = 1",
        "deep/__init__.py": "",
        "deep/far.py": "from ..base import x\nimport outside",
        "base.py": "raise RuntimeError('imported')",
        "../outside.py": "x = 1",
        "../single.py": "import outside",
    }
    for name, text in files.items():
        path = tmp_path / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def hashes():
        source_hash.cache_clear()
        return own_sources(package + ".own:f", "single:f")

    first = hashes()
    assert set(first) == {package + ".own", "single"}
    for name in files:
        with open(str(tmp_path / package / name), "a") as file:
            file.write("\n# edited")
        changed = {module for module, sha in hashes().items() if sha != first[module]}
        first = hashes()
        if name == "unused.py":
            assert not changed
        elif name.startswith(".."):
            assert changed == {"single"}
        else:
            assert changed == {package + ".own"}, name
    assert package + ".base" not in sys.modules


def test_a_run_whose_own_module_is_not_here_stays_done(here, own, tmp_path):
    spec = spec_of()._replace(method=own(0.25), options=())
    here.run(spec)
    (module,) = own_sources(spec.method)
    sys.modules.pop(module)
    source_hash.cache_clear()
    (tmp_path / f"{module}.py").unlink()
    assert is_finished(here.root, spec.id)


def test_an_own_model_makes_another_stage_of_our_function(own):
    class Task:
        def __init__(self, model):
            self.model = model

        def recipe(self):
            return {"model": self.model, "dataset": "digits"}

    def recipe(model):
        from joulebird.harness.core.flops import work_flops

        return recipe_of(work_flops, (Task(model),), {})

    assert "sources" not in recipe("vgg16")
    before = recipe(own(0.25))
    assert list(before["sources"]) == [own(0.25).partition(":")[0]]
    own(0.75)
    assert recipe(own(0.75))["sources"] != before["sources"]


def test_an_edited_meter_is_another_source(here, tmp_path):
    meter = tmp_path / "meter.json"

    def definition():
        return choose("serial", {"meter": str(meter)}).definition

    meter.write_text('{"scale": 1}')
    before = definition()
    meter.write_text('{"scale": 2}')
    assert before != definition()
    assert choose("serial", {"meter": "um25c"}).definition == ""
    here.run(spec_of(), source=dict(INA, definition=before))
    with pytest.raises(HarnessError, match="definition"):
        here.run(spec_of(seed=2), spec_of(), source=dict(INA, definition=definition()))


def test_the_recorders_description_holds_the_definition(tmp_path):
    meter = tmp_path / "meter.json"
    meter.write_text("{}")
    choice = choose("simulated")._replace(definition="abc")
    recorders = recorders_for([choice])
    try:
        recorders.start()
        assert recorders.description["definition"] == "abc"
    finally:
        recorders.stop()


def test_a_finished_study_refuses_an_edited_source_of_the_users_own(here, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(dict(spec_of().to_dict(), milestones=[2, 4])))
    own = tmp_path / "own_bench.py"
    text = "from joulebird.devices.simulated.source import SimulatedSource as Base\n\n\n"
    text += "class Bench(Base):\n    pass\n"
    own.write_text(text)
    choice = choose("own_bench:Bench")
    here.run(
        from_dict(json.loads(spec.read_text())), source=dict(INA, definition=choice.definition)
    )
    words = ("run", spec, "--runs", here.root, "--quiet", "--source")
    assert joulebird(*words, "own_bench:Bench")[0] == 0
    assert joulebird(*words, "simulated")[0] == 0
    own.write_text(text + "# edited\n")
    source_hash.cache_clear()
    refused(2, [*words, "own_bench:Bench"], "definition", "--runs")


def test_one_run_of_a_study_has_the_source_of_the_others(here, tmp_path):
    study = tmp_path / "study.json"
    specs = [dict(spec_of(seed=seed).to_dict(), milestones=[2, 4]) for seed in (1, 2)]
    study.write_text(json.dumps(specs))
    first, second = map(from_dict, specs)
    here.run(first)
    words = ["run", study, "--only", second.id, "--runs", here.root, "--idle", "0", "--quiet"]
    refused(2, [*words, "--source", "simulated"], "was recorded by ina3221", "simulated")
    refused(2, [*words, "--source", "none"], "was recorded by ina3221", "none")
    assert len(here.stages()) == 1


# kills

KILLER = """
import sys
import time
from tests.harness.runs.test_conditions import kill_and_change
kill_and_change(*sys.argv[1:])
"""
LONG = {"method": "prune_and_grow", "epochs": 12, "options": {"pause_s": 0.02}}
KILLS = 60


@pytest.mark.slow
@pytest.mark.parametrize("sudo", ["refused", "allowed"])
def test_sixty_kills_with_a_changed_condition_at_each_resume(tmp_path, sudo):
    """No stage is mixed, after any of the kills; in the end the numbers are those of a calm run."""
    tree = FakeTX2(str(tmp_path / "tree"), carrier=False).build()
    environ = dict(os.environ, FAKE_ROOT=tree.root, OMP_WAIT_POLICY="passive")
    words = [str(tmp_path), sudo, str(KILLS // 2)]
    done = subprocess.run([sys.executable, "-c", KILLER, *words], env=environ, timeout=540)
    tree.close()
    assert done.returncode == 0
    spec = spec_of(**LONG)
    killed, calm = (record.read_run(str(tmp_path / name), spec.id) for name in ("runs", "calm"))
    assert killed.metrics == calm.metrics
    assert killed.accuracy == calm.accuracy
    check_unmixed(str(tmp_path / "runs"))


def kill_and_change(folder, sudo, kills):
    """Kill a training again and again, with one condition changed each time; then let it end.

    The trainers are forks of this process, so that torch is imported once.
    """
    import torch

    here, moments = Here.__new__(Here), random.Random(7)
    here.talk, here.notes = io.StringIO(), os.path.join(folder, "notes")
    here.sudo = AS_ROOT if sudo == "allowed" else ["false"]
    here.board = FakeTX2(os.path.join(folder, "tree"), carrier=False)
    now = {"threads": 1, "mode": 0, "omp": "passive", "sensor": "a"}
    others = {"threads": 2, "mode": 1, "omp": "active", "sensor": "b"}
    here.root = os.path.join(folder, "calm")
    assert wait(train(here, now, torch)) == 0
    here.root = os.path.join(folder, "runs")
    killed = refused = restarted = 0
    while killed < int(kills):
        changed = moments.choice(sorted(now))
        now[changed], others[changed] = others[changed], now[changed]
        trained = epochs_in(here.root) + moments.randint(1, 8)
        begun = restarts_in(here.root)
        child = train(here, now, torch)
        code = None
        while code is None and epochs_in(here.root) < trained:
            time.sleep(0.005)
            code = wait(child, os.WNOHANG)
        if code is None:
            os.kill(child, 9)
            os.waitpid(child, 0)
            killed += 1
        if code == 2:
            assert changed == "sensor"
            now[changed], others[changed] = others[changed], now[changed]
            refused += 1
        elif code == 0:  # begin another study: this one is done
            check_unmixed(here.root)
            os.rename(here.root, f"{here.root}-{killed}")
        if os.path.exists(os.path.join(here.root, "stages")):
            check_unmixed(here.root)
        restarted += restarts_in(here.root) > begun
    assert refused
    assert restarted >= (5 if sudo == "refused" else 2)
    assert wait(train(here, now, torch)) == 0


def train(here, now, torch):
    """Fork a trainer under these conditions; give its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        here.mode(now["mode"])
        torch.set_num_threads(now["threads"])
        os.environ["OMP_WAIT_POLICY"] = now["omp"]
        here.run(spec_of(**LONG), source=dict(INA, sensor=now["sensor"]))
        code = 0
    except HarnessError as error:
        code = error.exit_code
    finally:
        os._exit(code)


def wait(child, options=0):
    """Give the exit code of a child, None while it runs."""
    ended, status = os.waitpid(child, options)
    return os.WEXITSTATUS(status) if ended else None


def lines_in(root, word):
    stages = os.path.join(root, "stages")
    names = os.listdir(stages) if os.path.exists(stages) else []
    paths = [Path(record.stage_dir(root, name), record.EVENTS) for name in names]
    texts = [path.read_text() for path in paths if path.exists()]
    return sum(text.count(word) for text in texts)


def epochs_in(root):
    return lines_in(root, '"event": "epoch"')


def restarts_in(root):
    return lines_in(root, '"restarted": true')


@pytest.mark.slow
@pytest.mark.parametrize(("variable", "restarts"), [("OMP_NUM_THREADS", 0), ("OMP_WAIT_POLICY", 1)])
def test_a_real_training_is_continued_with_its_threads_or_begun_again(tmp_path, variable, restarts):
    values = {"OMP_NUM_THREADS": ("2", "1"), "OMP_WAIT_POLICY": ("passive", "active")}[variable]
    usual = dict(os.environ, OMP_NUM_THREADS="1")
    before, after = (dict(usual, **{variable: each}) for each in values)
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    for folder in (calm, killed):
        folder.mkdir()
    subprocess.check_call(real.command(calm, real.SMALLEST), env=before, stderr=subprocess.DEVNULL)
    process = subprocess.Popen(
        real.command(killed, real.SMALLEST), env=before, stderr=subprocess.DEVNULL
    )
    while epochs_in(str(killed / "runs")) < 6:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    if restarts:
        code, text = at_a_terminal(real.command(killed, real.SMALLEST), after)
        assert code == 2
        assert "omp_wait_policy passive -> active" in text
        assert "--restart" in text
    subprocess.check_call(real.command(killed, real.SMALLEST), env=after, stderr=subprocess.DEVNULL)
    check_unmixed(str(killed / "runs"))
    assert restarts_in(str(killed / "runs")) == restarts
    assert real.outcomes(killed) == real.outcomes(calm)


def at_a_terminal(command, environ):
    """Run a command at a terminal; give its exit code and the last it wrote there."""
    ours, theirs = os.openpty()
    done = subprocess.run(command, env=environ, stdin=theirs, stderr=theirs, timeout=120)
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)
    return done.returncode, text
