"""Early winning tickets: which weights a ticket gets when nothing is said, which layers are pruned,
and what its checks really train.
"""

import pytest
import torch
from stages import Run, Stage

from joulebird.baselines.analysis.memorisation import memorise
from joulebird.baselines.methods.early_winning import (
    draw,
    early_winning,
    prune_gradually,
    train_part,
)
from joulebird.baselines.pruning import weights
from joulebird.baselines.pruning.gradual import Gradual
from joulebird.baselines.training.hooks import Hook
from joulebird.baselines.training.loop import Loop
from joulebird.baselines.training.task import Schedule


@pytest.fixture
def small(task):
    return task._replace(
        model="joulebird.baselines.models.resnet_cifar:ResNet8",
        width=0.5,
        prune_ratio=0.8,
        schedule=Schedule(epochs=3, milestones=(2,), batch=240),
    )


def test_a_ticket_has_the_weights_of_the_epoch_its_structure_is_from(small):
    run = Run()
    early_winning(small, run, structure_epoch=1)
    baseline, drawn = list(run.artifacts.values())[:2]
    masks = drawn.load()["masks"]
    assert run.order[:2] == ["baseline-1", "prune"]
    for name, value in drawn.load()["state"].items():
        expected = baseline.load()["state"][name]
        assert torch.equal(value, expected * masks[name] if name in masks else expected)


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize(
    "options", [{"structure_epoch": 1}, {"structure_epoch": 2, "gradual_from": 1}]
)
def test_the_first_layer_is_pruned_only_if_asked_for(small, options, ends):
    run = Run()
    early_winning(small, run, prune_ends=ends, **options)
    drawn = list(run.artifacts.values())[1].load()
    assert list(drawn["masks"]) == weights.prunable(small.build(), ends=ends)
    assert ("conv1.weight" in drawn["masks"]) == ends


def test_a_kept_weight_of_exactly_zero_stays_kept_and_no_pruned_one_comes_back(small):
    network = small.build()
    names = weights.prunable(network)
    gradual = Gradual({0: 0.5, 1: 0.5}, names)
    loop = Loop(Stage(), small, network, None, 0.0, None, Hook())
    gradual.begin(loop)
    gradual.started(loop)
    before = {name: mask.clone() for name, mask in gradual.masks.items()}
    first = dict(network.named_parameters())[names[0]].data.view(-1)
    first[before[names[0]].view(-1)] = 0.0
    gradual.epoch_end(loop, 0, 0.5)
    assert all(torch.equal(mask, before[name]) for name, mask in gradual.masks.items())


def test_gradual_pruning_goes_on_from_the_baselines_weights(small):
    """At a rate of 0 the weights that are left are those the baseline ended with."""
    start = train_part(Stage(), small, None, 0, 1)
    still = small._replace(schedule=small.schedule._replace(milestones=(1,), gamma=0.0))
    pruned = prune_gradually(Stage(), still, start, [[1, 0.3], [2, 0.6]], False)
    for name, mask in pruned["masks"].items():
        assert torch.equal(pruned["state"][name], start["state"][name] * mask)


def test_learning_by_heart_starts_from_the_ticket_and_holds_its_mask(small):
    trained = train_part(Stage(), small, None, 0, 1)
    drawn = draw(Stage(), small, trained, trained, 0.8, False)
    untouched = memorise(
        Stage(), small._replace(schedule=small.schedule._replace(epochs=0)), drawn, 20
    )
    assert all(
        torch.equal(value, drawn["state"][name]) for name, value in untouched["state"].items()
    )
    learnt = memorise(Stage(), small, drawn, 20)
    for name, mask in drawn["masks"].items():
        assert not torch.equal(learnt["state"][name], drawn["state"][name])
        assert not bool(learnt["state"][name][~mask].any())


def test_a_check_trains_a_pruned_copy_for_one_epoch_at_its_own_rate(small, monkeypatch):
    trials, train_epoch = [], Loop.train_epoch

    def noting(loop, epoch):
        if loop.masked:  # the baseline is not
            kept = sum(float(mask.sum()) for mask in loop.masks) / sum(
                mask.numel() for mask in loop.masks
            )
            before = [parameter.detach().clone() for parameter in loop.masked]
            total = train_epoch(loop, epoch)
            moved = all(not torch.equal(*pair) for pair in zip(before, loop.masked))
            trials.append(
                (epoch, loop.optimizer.param_groups[0]["lr"], loop.sparsity, round(kept, 2), moved)
            )
            return total
        return train_epoch(loop, epoch)

    monkeypatch.setattr(Loop, "train_epoch", noting)
    checked = train_part(Stage(), small, None, 0, 3, ratio=0.8, ppr_every=1, ppr_rate=0.003)
    assert [epoch for epoch, _ in checked["ppr"]] == [1, 2, 3]
    assert trials == [(epoch, 0.003, 0.0, 0.2, True) for epoch in (1, 2, 3)]
