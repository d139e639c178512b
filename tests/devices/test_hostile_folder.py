"""Processes started from a folder whose files have the names of modules that they import."""

import os
import time

import pytest

from joulebird.devices.health.log import HealthLog
from joulebird.devices.jtop.source import JtopSource
from joulebird.devices.measure import joules
from joulebird.devices.powerlog_read import read_log
from joulebird.devices.recorder.parent import Recorder
from tests.devices.fake_tx2_tree import FakeTX2
from tests.devices.jtop_service import JtopService

MODULES = ("argparse", "errno", "json", "platform", "random", "re", "select", "selectors", "typing")
MODULES += ("inspect", "queue", "struct", "subprocess", "tempfile", "threading", "traceback")
PACKAGES = ("baselines", "devices", "harness", "joulebird", "reports")
METER = """
from joulebird.devices.source import PowerSample, PowerSource
import time

class Meter(PowerSource):
    name = "mine"
    rails = total = ("MINE",)
    def open(self): pass
    def read(self): return PowerSample(time.monotonic(), {"MINE": 7.0})
    def close(self): pass
    def describe(self): return self.identity()
"""


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """The current folder: every module in it raises when it is imported."""
    folder = tmp_path / "hostile"
    for name in MODULES:
        folder.mkdir(exist_ok=True)
        (folder / (name + ".py")).write_text(f"raise SystemExit('imported {name}')\n")
    for name in PACKAGES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise SystemExit('imported {name}')\n")
    (folder / "mylab.py").write_text(METER)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("source", "options", "watts"),
    [("simulated", {"profile": [[1.0, 10.0]]}, 10.0), ("mylab:Meter", {}, 7.0)],
)
def test_the_recorder(hostile, source, options, watts):
    with Recorder(source, options) as recorder:
        recorder.open("power.csv")
        recorder.sample()
        total = recorder.describe()["total"][0]
        recorder.close_log()
    rows = [row for segment in read_log("power.csv") for row in segment.rows]
    assert rows[-1].watts[total] == pytest.approx(watts, rel=0.01)


def test_a_measured_block(hostile):
    with joules("mylab:Meter") as measured:
        time.sleep(0.2)
    assert measured.joules == pytest.approx(7.0 * measured.seconds, rel=0.01)


def test_the_health_logger(hostile, tmp_path):
    tree = FakeTX2(str(tmp_path / "tree"), state="idle").build()
    with HealthLog("events.jsonl", root=tree.root, period_s=0.05) as log:
        assert log.ended is None
    tree.close()
    with open("events.jsonl") as file:
        assert file.readline().startswith('{"event": "health"')


def test_the_client_of_jtop(tmp_path, request):
    pytest.importorskip("jtop", reason="jetson-stats is a test requirement")
    tree = FakeTX2(str(tmp_path / "tree"), state="train").build()
    service = JtopService(tree.root, tmp_path)
    try:
        service.start()
        request.getfixturevalue("hostile")
        with JtopSource(interval_s=0.2, socket=service.socket) as source:
            assert source.read().watts["VDD_IN"] > 1.0
    finally:
        service.stop()
        tree.close()
    assert os.path.basename(os.getcwd()) == "hostile"
