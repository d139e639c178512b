"""No two epochs are alike: order, crops and the random numbers of 8-bit rounding are each
epoch's own, and can be had again.
"""

import copy

import pytest
import torch
from stages import Stage

from joulebird.baselines.training import precision
from joulebird.baselines.training.hooks import Hook, Hooks
from joulebird.baselines.training.loop import Loop, train


class Shown(Hook):
    """Keeps the images that the network is trained on, epoch by epoch."""

    def __init__(self):
        self.epochs = []

    def begin(self, loop):
        loop.model.register_forward_pre_hook(self.note)

    def note(self, model, inputs):
        if model.training:
            self.epochs[-1].append(inputs[0].clone())

    def epoch_begin(self, loop, epoch):
        self.epochs.append([])


def shown(task, **options):
    """What each epoch showed, one batch of all images an epoch."""
    shown = Shown()
    train(Stage(), task._replace(schedule=task.schedule._replace(batch=240)), hook=shown, **options)
    return [torch.cat(images) for images in shown.epochs]


def sources(task, images):
    """Which training image each shown one is a crop of: the one with the nearest crop in the
    middle.
    """
    data = task.data()
    plain = data.normalise(data.train_images)[:, :1, 6:26, 6:26].flatten(1)
    nearest = []
    for down in range(4, 9, 2):
        for right in range(4, 9, 2):
            nearest.append(
                torch.cdist(images[:, :1, down : down + 20, right : right + 20].flatten(1), plain)
            )
    return torch.stack(nearest).min(0)[0].argmin(1)


def test_every_epoch_has_an_order_and_crops_of_its_own(task):
    epochs = shown(task)
    assert len(epochs) == 3
    assert all(len(images) == 240 for images in epochs)
    for place, one in enumerate(epochs):
        for other in epochs[:place]:
            assert float((one == other).flatten(1).all(1).float().mean()) < 0.1
            assert (
                len(set(map(bytes, one.numpy())) - set(map(bytes, other.numpy()))) > 120
            )  # other crops, whatever the order


def test_orders_of_epochs_are_unrelated(task):
    first, second = (sources(task, images) for images in shown(task, epochs=2))
    assert float((first == second).float().mean()) < 0.1


def test_an_epoch_is_the_same_wherever_the_training_starts(task):
    assert torch.equal(shown(task)[2], shown(task, from_epoch=2)[0])


def test_seeds_give_other_epochs(task):
    one, other = (shown(task._replace(seed=seed), epochs=1)[0] for seed in (1, 2))
    assert not torch.equal(one, other)


def test_about_half_of_an_epochs_images_are_mirrored(task):
    data = task.data()._replace(pad=0, flip=True)
    images = torch.cat(
        [images for images, _ in data.train_batches(64, torch.Generator().manual_seed(2))]
    )
    plain = data.normalise(data.train_images)
    as_they_are, mirrored = (
        (images[:, None, 0] == one[None, :, 0]).flatten(2).all(2).any(1)
        for one in (plain, plain.flip(3))
    )
    assert bool((as_they_are | mirrored).all())
    assert 80 < int(mirrored.sum()) < 160
    assert 80 < int(as_they_are.sum()) < 160


@pytest.mark.parametrize("name", ["bfp8", "wage8"])
def test_rounding_draws_other_numbers_in_every_epoch(task, name):
    """The same step from the same weights on the same images, drawn as in epochs 0, 1 and 0
    again.
    """
    data = task.data()
    images, labels = next(data.plain_batches(32))
    hook = Hooks(precision.low_precision(name))
    loop = Loop(Stage(), task, task.build(), data, 0.0, None, hook)
    hook.begin(loop)
    hook.started(loop)
    start, steps = copy.deepcopy(loop.model.state_dict()), []
    for epoch in (0, 1, 0):
        loop.model.load_state_dict(start)
        loop.optimizer.state.clear()
        hook.epoch_begin(loop, epoch)
        loop.optimizer.zero_grad()
        loop.loss(loop.model(images), labels).backward()
        loop.optimizer.step()
        steps.append(
            torch.cat(
                [parameter.detach().flatten() for parameter in loop.model.parameters()]
            ).clone()
        )
    assert torch.equal(steps[0], steps[2])
    assert not torch.equal(steps[0], steps[1])
