"""What a plan says of joules: never without the words that belong to them."""

import argparse
import platform

import pytest

from joulebird.devices.board.identify import serial
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host.studies.plan import UNKNOWN, Guess, History, Interval, Plan, Planned
from joulebird.harness.runs.engine import Asked
from joulebird.harness.runs.spec import RunSpec
from joulebird.harness.verbs.plan import as_text, facts, past_runs
from joulebird.reports.runs.records import load
from tests.reports.write_runs import Folder


@pytest.mark.parametrize(
    ("precision", "source", "words"),
    [
        ("fp32", {}, ()),
        ("bfp8", {}, ("estimated",)),
        ("wage8", {"name": "simulated", "real": False}, ("estimated", "simulated")),
    ],
)
def test_a_prediction_has_the_words_of_its_precision_and_of_what_it_was_learnt_from(
    tmp_path, precision, source, words
):
    folder = Folder(tmp_path, source=source)
    folder.run("eb-train", 0.5, [folder.stage("search-1", 4, precision=precision)])
    asked = Asked("search", "search-2", "m:f", (), {"precision": precision})
    spec = RunSpec(
        method="eb-train", model="vgg16", dataset="cifar10", prune_ratio=0.5, epochs=160, batch=256
    )
    seconds, joules, flops, found = History(load([tmp_path]), None).predict(asked, spec)
    assert found == words
    assert joules.low == joules.high == pytest.approx(400.0)
    assert seconds.low > 0
    assert flops.low > 0


def test_words_are_printed_beside_the_joules_of_a_stage_and_of_all():
    def stage(name, joules, words, done=False):
        return Planned(name, name, "m:f", ("run",), done, Guess(joules=joules, words=words))

    stages = (
        stage("search", Interval(5.0, 5.0), ("estimated",)),
        stage("retrain", Interval(7.0, 9.0), ()),
        stage("dense", Interval(1.0, 1.0), ("replayed",), done=True),
    )
    plan = Plan({"run": tuple(one.id for one in stages)}, stages, ())
    text = as_text(plan)
    assert "5.00 J (estimated)" in text
    assert "7.00 J to 9.00 J\n" in text
    assert text.endswith("energy   12.0 J to 14.0 J (estimated)")
    assert facts(plan)["ahead"]["words"] == ["estimated"]
    assert facts(plan)["stages"]["retrain"]["words"] == []
    nothing = Plan({"run": ("search",)}, (stage("search", UNKNOWN, ("estimated",)),), ())
    assert "estimated" not in as_text(nothing)


def here(**facts):
    """The environment of this machine, as a record holds it."""
    return {"host": platform.node(), "board_serial": serial(), **facts}


def learnt(*folders):
    """The runs of these folders from which a plan for this machine learns."""
    return past_runs(argparse.Namespace(runs="nowhere", past=[*map(str, folders)], board=None))


def test_a_plan_learns_from_this_machine_alone(tmp_path):
    """Another board of this host's name is another one; an older record has the host alone."""
    other = {"board_serial": "other"}
    old = {"host": platform.node()}
    for name, known in (("here", here()), ("other", here(**other)), ("old", old)):
        folder = Folder(tmp_path / name, environment=known)
        folder.run("dense", 0.0, [folder.stage(f"{name}-1", 2)])
    found = learnt(tmp_path / "here", tmp_path / "other", tmp_path / "old")
    assert {run.stages[0].id for run in found} == {"here-1", "old-1"} | (
        set() if serial() else {"other-1"}
    )


@pytest.mark.parametrize(
    "other",
    [
        {"environment": here(power_mode="MAXQ")},
        {"environment": here(packages={"torch": "1.10.0"})},
        {"source": {"name": "simulated", "simulated": True}},
    ],
)
def test_a_plan_learns_from_no_mixture(tmp_path, other):
    one = {"environment": here(packages={"torch": "2.13.0"})}
    for name, known in (("one", one), ("two", {**one, **other})):
        folder = Folder(tmp_path / name, **known)
        folder.run("dense", 0.0, [folder.stage(f"{name}-1", 2)])
    assert len(learnt(tmp_path / "one")) == 1
    with pytest.raises(HarnessError, match="different") as caught:
        learnt(tmp_path / "one", tmp_path / "two")
    assert "two-1" in caught.value.message
    assert "--from" in caught.value.hint
