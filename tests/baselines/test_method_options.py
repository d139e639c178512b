"""Option values that make no sense are refused before the first stage is asked for, so that a
plan refuses them too.
"""

import pytest

from joulebird.baselines import METHODS
from joulebird.harness.core.errors import SpecError
from joulebird.harness.core.registry import find
from joulebird.harness.runs.backend import Backend
from joulebird.harness.runs.run import planned
from joulebird.harness.runs.spec import from_dict

NAN, INF = float("nan"), float("inf")
BAD = {
    "dense": {},
    "network-slimming": {},
    "lottery-ticket": {
        "rounds": [0, -1],
        "rewind_epoch": [-1, 3],
        "rule": ["x", ""],
        "retrain": ["x"],
    },
    "snip": {"scope": ["x"]},
    "thinet": {
        "mode": ["x"],
        "rows": [0],
        "locations": [0, -1],
        "layers": [-1, 14, 99],
        "tune_lr": [-1.0, 0.0, NAN, INF],
        "tune_epochs": [0, -1],
        "final_epochs": [0],
    },
    "eb-train": {
        "epsilon": [-1.0, 0.0, NAN, INF],
        "window": [1, -1],
        "criterion": ["x"],
        "draw_at": [0, 4],
        "weights": ["x"],
        "search_precision": ["x", "fp16"],
        "retrain_precision": ["x"],
        "search_lr": [0.0, -1.0, NAN, INF],
        "search_milestones": [[2, 1], [-1]],
    },
    "soft-filter": {"every": [0, -1]},
    "early-winning": {
        "structure_epoch": [-1, 4],
        "weights_epoch": [-1, 4],
        "gradual_from": [-1, 3],
        "gradual_at": [[1, 2]],
        "gradual_percent": [[50]],
        "ppr_every": [-1],
        "ppr_rate": [-1.0, 0.0, NAN],
        "memorise_images": [[0], [-1], [10, 241]],
    },
    "swalp": {"average_from": [0, 3, -1], "average_lr": [0.0, -1.0, NAN], "blocks": ["x"]},
}
TOGETHER = [
    ("early-winning", {"gradual_at": [1, 2], "gradual_percent": [40, 60], "structure_epoch": 2}),
    ("early-winning", {"gradual_at": [1, 2], "gradual_percent": [40, 60], "gradual_from": 1}),
    ("early-winning", {"gradual_from": 1, "weights_epoch": 1}),
    ("soft-filter", {"nesterov": True}),  # without momentum
]
GOOD = [
    ("dense", {}),
    ("network-slimming", {"keep_sparsity": True}),
    ("snip", {"scope": "official", "bn_eval": True, "reinit": True}),
    ("lottery-ticket", {"rounds": 2, "rewind_epoch": 1, "rule": "exact", "retrain": "reinit"}),
    ("thinet", {"layers": 13}),
    ("thinet", {"mode": "paper", "layers": 2}),
    ("eb-train", {"epsilon": 0.0, "criterion": "code"}),
    (
        "eb-train",
        {
            "epsilon": 1.0,
            "draw_at": 3,
            "search_precision": "wage8",
            "retrain_precision": "bfp8",
            "search_milestones": [0, 100],
        },
    ),
    ("soft-filter", {"every": 5, "pretrained": True, "retrain": True}),
    ("early-winning", {"memorise_images": [1, 240], "ppr_every": 1}),
    ("early-winning", {"structure_epoch": 0, "weights_epoch": 3}),
    ("early-winning", {"gradual_from": 0, "structure_epoch": 2}),
    ("swalp", {"average_from": 1, "blocks": "qpytorch"}),
]


class Plan:
    """Notes which stages are asked for, and does none of them."""

    def __init__(self):
        self.asked = []

    def stage(self, name, function, *inputs, **options):
        self.asked.append(name)
        return name


def call(task, method, options, momentum=0.9):
    """Plan a method; the run, whatever came of it, and the SpecError."""
    run = Plan()
    task = task._replace(prune_ratio=0.5, schedule=task.schedule._replace(momentum=momentum))
    try:
        find(METHODS, "method", method)(task, run, **options)
    except SpecError as error:
        return run, error
    return run, None


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        (method, name, value)
        for method, names in sorted(BAD.items())
        for name, values in sorted(names.items())
        for value in values
    ],
)
def test_a_value_that_makes_no_sense_is_refused_at_once(task, method, name, value):
    run, error = call(task, method, {name: value})
    assert run.asked == []
    assert error is not None
    assert error.exit_code == 2
    assert " must " in error.message
    assert name in error.message


@pytest.mark.parametrize(("method", "options"), TOGETHER)
def test_values_that_make_no_sense_together_are_refused_at_once(task, method, options):
    run, error = call(task, method, options, momentum=0.0)
    assert run.asked == []
    assert error is not None
    assert " must " in error.message


@pytest.mark.parametrize(("method", "options"), GOOD)
def test_values_that_make_sense_are_taken(task, method, options):
    run, error = call(task, method, options)
    assert error is None
    assert run.asked


def test_every_method_is_looked_at():
    assert set(BAD) == set(METHODS) == {method for method, _ in GOOD}


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("soft-filter", {"every": 0}, "option 'every' must be at least 1"),
        ("lottery-ticket", {"retrain": "x"}, "option 'retrain' must be"),
    ],
)
def test_a_plan_refuses_it_too(tmp_path, method, options, words):
    spec = {
        "method": method,
        "model": "vgg16",
        "dataset": "digits",
        "prune_ratio": 0.5,
        "options": options,
    }
    with pytest.raises(SpecError, match=words):
        planned(from_dict(spec), str(tmp_path / "runs"), Backend())
    good = from_dict(dict(spec, options={}))
    assert planned(good, str(tmp_path / "runs"), Backend())
