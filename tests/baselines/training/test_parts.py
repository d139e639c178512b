"""A single image that is left over: allowed where maps are larger than 1 x 1, else refused before
anything is trained.
"""

import pytest
import torch
from stages import Stage

from joulebird.baselines.methods import snip
from joulebird.baselines.training.loop import check_parts, train
from joulebird.baselines.training.task import smallest_part
from joulebird.harness.core.errors import SpecError


def test_the_smallest_part_is_that_of_the_loop(task):
    """Against the sizes that batches and micro-batches have when they are cut."""
    for images in (1, 7, 20, 21):
        for batch in (1, 4, 5, 10, 30):
            for micro in (None, 1, 3, 4, 40):
                batches = torch.zeros(images).split(batch)
                parts = [part for one in batches for part in (one.split(micro) if micro else [one])]
                assert smallest_part(images, batch, micro) == min(len(part) for part in parts)


@pytest.mark.parametrize(
    ("batch", "micro", "words"),
    [(239, None, "batch 239"), (1, None, "batch 1"), (120, 17, "micro_batch 17")],
)
def test_a_single_image_on_points_is_refused_before_training(task, batch, micro, words):
    task = task._replace(
        model="resnet18", micro_batch=micro, schedule=task.schedule._replace(batch=batch)
    )
    stage = Stage()
    with pytest.raises(SpecError) as error:
        train(stage, task)
    assert words in error.value.message
    assert "resnet18" in error.value.message
    assert "batch" in error.value.hint
    assert stage.works == []
    assert stage.epochs == []
    model = task.build()
    with pytest.raises(ValueError, match="more than 1 value"):
        model(torch.zeros(1, 3, 32, 32))  # which is why


def test_snips_batch_is_checked_too(task):
    task = task._replace(model="resnet18", micro_batch=31)
    with pytest.raises(SpecError, match="micro_batch 31"):
        snip.score(Stage(), task, 0.5, "conv", False, False)
    assert snip.score(Stage(), task, 0.5, "conv", True, False)["masks"]


def test_a_single_image_on_larger_maps_is_trained_on(task):
    stage = Stage()
    train(stage, task._replace(schedule=task.schedule._replace(batch=239)), epochs=1)
    assert stage.epochs[0]["images"] == 240


def test_looking_leaves_the_model_alone(task):
    task = task._replace(model="resnet18")
    model = task.build().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    check_parts(task._replace(schedule=task.schedule._replace(batch=240)), model, (3, 32, 32), 240)
    with pytest.raises(SpecError):
        check_parts(
            task._replace(schedule=task.schedule._replace(batch=239)), model, (3, 32, 32), 240
        )
    assert model.training
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
