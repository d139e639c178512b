"""Specs become tasks, or one line that says what to write instead; seeds decide the weights."""

import json

import pytest
import torch

from joulebird.baselines.training.task import Schedule, Task, synchronize, task_from
from joulebird.harness.core.errors import HarnessError, SpecError

SPEC = {
    "method": "eb-train",
    "model": "vgg16",
    "dataset": "digits",
    "width": 0.125,
    "prune_ratio": 0.5,
    "seed": 3,
    "epochs": 14,
    "milestones": [7, 11],
    "lr": 0.1,
    "gamma": 0.1,
    "batch": 64,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "sparsity": 1e-4,
    "device": "cpu",
    "micro_batch": None,
    "data_dir": None,
    "options": {"epsilon": 0.1},
}


def test_a_whole_spec():
    task = task_from(SPEC)
    assert task == Task(
        "vgg16",
        "digits",
        None,
        0.125,
        Schedule(14, (7, 11), 0.1, 0.1, 0.9, 1e-4, 64),
        1e-4,
        0.5,
        3,
        "cpu",
        None,
    )
    assert (
        task_from({"model": "vgg16", "dataset": "digits", "device": "cpu"}).schedule == Schedule()
    )


def test_auto_is_a_device_that_works():
    task = task_from(dict(SPEC, device="auto"))
    assert task.device == ("cuda" if torch.cuda.is_available() else "cpu")
    synchronize(task.device)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "vgg61"}, "vgg16"),
        ({"dataset": "cifar"}, "cifar10"),
        ({"epoch": 3}, "epochs"),
        ({"epochs": 2.5}, "an integer, got 2.5"),
        ({"epochs": 0}, "at least 1"),
        ({"prune_ratio": 1}, "below 1"),
        ({"prune_ratio": "half"}, "number"),
        ({"lr": True}, "number"),
        ({"milestones": 80}, "list"),
        ({"milestones": [1.5]}, "list"),
        ({"micro_batch": 0}, "at least 1"),
        ({"device": "tpu"}, "cuda"),
        ({"model": "nolab.meters:Net"}, "PYTHONPATH"),
        ({"model": "joulebird.baselines.models.vgg:Vgg17"}, "Vgg16"),
        ({"width": 0}, "above 0"),
        ({"width": 10**400}, "a huge integer"),
        ({"width": 9}, "at most 8"),
        ({"lr": float("nan")}, "a number, got nan"),
        ({"milestones": [3, 3]}, "increasing"),
        ({"seed": -1}, "at least 0"),
        ({"gamma": 2}, "at most 1"),
    ],
)
def test_mistakes_name_the_remedy(change, words):
    with pytest.raises(HarnessError) as error:
        task_from(dict(SPEC, **change))
    assert words in error.value.message + error.value.hint
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)


def test_a_missing_name_is_asked_for():
    with pytest.raises(HarnessError, match="lacks the field 'dataset'"):
        task_from({"model": "vgg16"})


@pytest.mark.skipif(
    torch.cuda.is_available(), reason="there is a CUDA device here: its absence cannot be shown"
)
def test_a_cuda_that_is_not_there():
    with pytest.raises(SpecError, match="CUDA"):
        task_from(dict(SPEC, device="cuda"))


def test_the_recipe_is_what_decides_numbers_and_nothing_else():
    task = task_from(SPEC)
    recipe = task.recipe()
    assert json.loads(json.dumps(recipe)) == recipe
    for name, value in (
        ("prune_ratio", 0.3),
        ("sparsity", 0.0),
        ("data_dir", "elsewhere"),
        ("download", True),
    ):
        assert task._replace(**{name: value}).recipe() == recipe
    assert task._replace(device="cuda:1").recipe() == task._replace(device="cuda").recipe()
    for name, value in (
        ("model", "resnet20"),
        ("dataset", "cifar10"),
        ("width", 1.0),
        ("schedule", Schedule()),
        ("seed", 4),
        ("device", "cuda"),
        ("micro_batch", 8),
    ):
        assert task._replace(**{name: value}).recipe() != recipe


def test_a_users_own_model_needs_no_registration():
    task = task_from(dict(SPEC, model="joulebird.baselines.models.preresnet:PreResNet11"))
    assert type(task.build()).__name__ == "PreResNet11"


def test_the_seed_decides_the_weights_and_nothing_else_does():
    task = task_from(SPEC)
    torch.manual_seed(1)
    one = task.build().state_dict()
    torch.manual_seed(2)
    expected = torch.get_rng_state()
    two = task.build().state_dict()
    assert torch.equal(torch.get_rng_state(), expected)
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = task._replace(seed=4).build().state_dict()
    assert not torch.equal(one["features.0.weight"], other["features.0.weight"])


def test_a_result_comes_back_as_the_same_network():
    task = task_from(dict(SPEC, model="preresnet101", width=0.25))
    model = task.build()
    thin = model.cut([torch.arange(0, len(scale), 2) for scale in model.scales()]).eval()
    back = task.network(
        {"widths": json.loads(json.dumps(thin.widths)), "state": thin.state_dict()}
    ).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(back(images), thin(images))
