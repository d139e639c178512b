"""Trace the smallest instance of each walk: ARCHITECTURE.md names every file that is entered."""

import importlib
import io
import json
import os
import re
import sys
import time
from argparse import Namespace

import pytest
import torch

from joulebird.baselines.methods.eb_train import eb_train
from joulebird.devices.recorder.child import Child
from joulebird.harness import core
from joulebird.harness.cli.progress import Progress
from joulebird.harness.core import files, settings
from joulebird.harness.host.studies import study
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.power.sources import choose_all, recorders_for
from joulebird.harness.runs.backend import Backend
from joulebird.harness.runs.run import planned, run_spec
from joulebird.harness.runs.session import Session
from joulebird.harness.runs.spec import from_dict
from joulebird.harness.verbs import table
from tests.devices.fake_tx2_tree import FakeTX2
from tests.harness import toy
from tests.test_architecture import section, walk
from tests.tracer import Trace, either, number, text

MODEL = "joulebird.baselines.models.preresnet:PreResNet11"
TINY = "tests.baselines.tiny:TINY"
METHOD = "tests.harness.toy:only_grow"
COUNTS = re.compile(r"^(\d+) files on the way, (\d+) leaf services beside them\.$", re.MULTILINE)


@pytest.fixture(autouse=True)
def _one_thread():
    """Keep a small training from waiting for other processes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def session(root, recorders, backend=None):
    return Session(str(root), recorders, Progress(io.StringIO(), environ={}), backend=backend)


def spec_of(method, **fields):
    data = {"method": method, "prune_ratio": 0.5, "epochs": 2, "device": "cpu"}
    return from_dict(dict(data, model=MODEL, dataset=TINY, **fields))


def record_here(root, log):
    """Take two samples into a log, as the recorder's process does; return its last answer."""
    (commands, ours), (theirs, answers) = os.pipe(), os.pipe()
    lines = [
        {"do": "start", "source": "ina3221", "options": {"root": root}, "period_s": 0.01},
        {"do": "check"},
        {"do": "open", "path": str(log)},
        *({"do": name} for name in ("sample", "sample", "close")),
    ]
    with open(ours, "wb") as pipe:
        pipe.writelines(json.dumps(dict(line, id=1)).encode() + b"\n" for line in lines)
    with open(commands, "rb"), open(theirs, "rb") as replies:
        with open(answers, "wb"):
            Child(commands, answers).serve()
        return json.loads(replies.readlines()[-1])["answer"]


def cell_of_table2(root):
    """Run `joulebird table 2` over some runs; return the cell of the energy."""
    path = os.path.join(root, "table2.json")
    table.main(Namespace(name="2", runs=[root], recount=False, form="json", output=path))
    with open(path, encoding="utf-8") as file:
        return list(json.load(file)["rows"][0].values())[-1]


def sample_to_cell(tmp_path):
    """Trace the recorder, a run of one stage on the fake board, and Table 2."""
    tree, root = FakeTX2(tmp_path / "tree").build(), str(tmp_path / "runs")
    spec = spec_of(METHOD)
    milliamperes, millivolts, _ = tree.set_rails({"VDD_IN": 7.321})["VDD_IN"]
    watts = millivolts * milliamperes / 1e6
    begin_s = time.monotonic()
    reading = either(
        number(watts, round(1e3 * watts)),
        text(f"{millivolts} {milliamperes}", f"{1e3 * watts:.0f}"),
    )
    label_log_or_window = either(
        text(METHOD, "/power.csv"),
        lambda value: isinstance(value, float) and begin_s <= value <= time.monotonic(),
    )
    with Trace(either(reading, label_log_or_window)) as recorded:
        assert record_here(tree.root, tmp_path / "log" / "power.csv")["rows"] == 2
        recorders = recorders_for(choose_all(["ina3221"], [f"root={tree.root}"]))
        with session(root, recorders, toy.Backend()) as under_way:
            run_spec(under_way, spec)
    tree.close()
    cell = cell_of_table2(root)
    energy = either(number(cell["value"]["energy_j"]), text(cell["text"]))
    with Trace(either(reading, label_log_or_window, energy)) as tabled:
        assert cell_of_table2(root) == cell
    return recorded.entered | tabled.entered, recorded.holding | tabled.holding


def mask_to_accuracy(tmp_path):
    """Trace EB Train on a tiny network: one epoch to its mask, one of the thin network."""
    spec = spec_of("eb-train", width=0.25, options={"draw_at": 1})

    def mask_network_or_accuracy(value):
        if isinstance(value, dict):
            return "test_accuracy" in value or "best_epoch" in value
        return isinstance(value, (torch.Tensor, torch.nn.Module))

    root = tmp_path / "runs"
    with Trace(mask_network_or_accuracy) as trace, session(root, Recorders({})) as under_way:
        accuracy = run_spec(under_way, spec).accuracy
    assert 0.0 <= accuracy["last"] <= 1.0
    return trace.entered, trace.holding


def option_to_keyword(tmp_path):
    """Trace an option of a study until the method is called with it."""
    path = tmp_path / "study.toml"
    path.write_text(
        f'[study]\nmethods = ["eb-train"]\nmodels = ["{MODEL}"]\ndatasets = ["{TINY}"]\n'
        'prune_ratios = [0.5]\ndevice = "cpu"\n[method.eb-train]\nepsilon = 0.0973\n'
    )
    with Trace(either(number(0.0973), text("0.0973")), until=eb_train) as trace:
        (spec,) = study.load(str(path))
        planned(spec, str(tmp_path / "runs"), Backend())
        pytest.fail("the method was not called")
    return trace.entered, trace.holding


def services(title):
    """Return the leaf services beside a walk."""
    _, _, beside = section(title).partition("\nBeside them: ")
    return re.findall(r"`([\w/]+\.py)`", beside)


@pytest.mark.parametrize(
    ("title", "smallest"),
    [
        ("A power sample to a table cell", sample_to_cell),
        ("A mask to a thin network's accuracy", mask_to_accuracy),
        ("An option from TOML to a keyword", option_to_keyword),
    ],
)
def test_the_lists_of_a_walk_name_every_file_that_is_entered(title, smallest, tmp_path):
    way, beside = walk(title), services(title)
    entered, holding = smallest(tmp_path)
    assert sorted(entered - {*way, *beside}) == []  # missing from both lists
    assert sorted({*way, *beside} - entered) == []  # listed, but not entered
    assert sorted(set(way) - holding) == []  # on the way, though the value does not pass through
    assert len({*way, *beside}) == len(way) + len(beside)
    assert COUNTS.findall(section(title)) == [(str(len(way)), str(len(beside)))]


def test_a_call_enters_a_file_and_an_import_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(core, "settings", settings)  # put the module back afterwards
    monkeypatch.delitem(sys.modules, settings.__name__)
    with Trace(number(7)) as trace:
        assert importlib.import_module(settings.__name__) is not settings  # calls schema.py
        files.write_json(str(tmp_path / "a.json"), {"value": 7})
    assert trace.entered == trace.holding == {"harness/core/files.py"}
