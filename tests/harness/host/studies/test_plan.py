"""What a plan says of joules: never without the words that belong to them."""

import pytest

from joulebird.harness.host.studies.plan import NOTHING, UNKNOWN, History, Interval, Plan, Planned
from joulebird.harness.runs.engine import Asked
from joulebird.harness.runs.spec import RunSpec
from joulebird.harness.verbs.plan import as_text, facts
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
        return Planned(name, name, "m:f", ("run",), done, NOTHING, joules, NOTHING, words)

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
