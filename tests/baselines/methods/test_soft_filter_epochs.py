"""Soft filter pruning from epoch to epoch: when filters are zeroed, that they grow in between, and
that momentum is left alone.
"""

import pytest
import torch
from stages import Run, Stage

from joulebird.baselines.methods import soft_filter
from joulebird.baselines.methods.soft_filter import convolutions
from joulebird.baselines.training.loop import train


@pytest.fixture
def small(task):
    return task._replace(
        prune_ratio=0.5, schedule=task.schedule._replace(epochs=4, milestones=(), batch=80)
    )


def started(task):
    """A network whose offsets are not all zero any more: behind one of exactly zero a ReLU lets no
    gradient through to a zeroed filter.
    """
    network = task.build()
    torch.manual_seed(3)
    for norm in network.norms():
        norm.bias.data.uniform_(0.05, 0.5)
    return {"widths": network.widths, "state": network.state_dict()}


def at_zero(layers):
    """The share of filters that are all zeros."""
    filters = [one for layer in layers for one in layer.weight.detach()]
    return sum(not bool(one.any()) for one in filters) / len(filters)


class Counted(soft_filter.SoftFilter):
    """Notes the share of zero filters before the training, and around the end of each epoch."""

    def started(self, loop):
        super().started(loop)
        self.shares = [at_zero(self.layers)]

    def epoch_trained(self, loop, epoch):
        before = at_zero(self.layers)
        super().epoch_trained(loop, epoch)
        self.shares.append((before, at_zero(self.layers)))


def shares(monkeypatch, task, every):
    """What a whole stage of the method went through."""
    made = []

    def counted(*args):
        made.append(Counted(*args))
        return made[-1]

    monkeypatch.setattr(soft_filter, "SoftFilter", counted)
    soft_filter.train_softly(Stage(), task, started(task), 0.5, every, False, True)
    return made[0].shares


@pytest.mark.parametrize(
    ("every", "zeroed_after"),
    [
        (1, (True, True, True, True)),
        (2, (True, False, True, True)),
        (4, (True, False, False, True)),
    ],
)
def test_filters_are_zeroed_when_asked_for_and_grow_in_between(
    monkeypatch, small, every, zeroed_after
):
    """Before the training, after every so many epochs, and after the last."""
    start, *epochs = shares(monkeypatch, small, every)
    assert start == 0.5
    for (before, after), zeroed in zip(epochs, zeroed_after):
        assert before < 0.05  # what was zero has grown
        assert after == (0.5 if zeroed else before)


def test_momentum_outlives_the_zeroing(small):
    stage = Stage()
    soft = soft_filter.train_softly(stage, small, started(small), 0.5, 1, False, True)
    network = small.network(soft)
    names = [name for name, _ in network.named_parameters()]
    filters = 0
    for name, layer in (
        (name, module)
        for name, module in network.named_modules()
        if module in convolutions(network)
    ):
        velocity = stage.resume()["optimizer"]["state"][names.index(name + ".weight")][
            "momentum_buffer"
        ]
        for weight, speed in zip(layer.weight.detach(), velocity):
            if not bool(weight.any()):
                filters += 1
                assert bool(speed.any()), name
    assert filters > 100


def test_pretrained_it_starts_from_the_dense_network(monkeypatch, small):
    starts, train_softly = [], soft_filter.train_softly

    def noting(stage, task, start, *rest):
        starts.append(start)
        return train_softly(stage, task, start, *rest)

    noting.__module__, noting.__name__ = train_softly.__module__, train_softly.__name__
    monkeypatch.setattr(soft_filter, "train_softly", noting)
    short = small._replace(schedule=small.schedule._replace(epochs=1))
    soft_filter.soft_filter(short, Run(), pretrained=True)
    trained = train(Stage(), short)["state"]
    assert all(bool((value == trained[name]).all()) for name, value in starts[0]["state"].items())
    soft_filter.soft_filter(short, Run())
    assert starts[1] is None
