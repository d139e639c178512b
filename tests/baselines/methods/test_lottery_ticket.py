"""Lottery tickets as whole methods: what is rewound, what is shared, and that masks hold."""

import pytest
import torch
from stages import Run, Stage

from joulebird.baselines.methods.dense import dense
from joulebird.baselines.methods.lottery_ticket import (
    draw_ticket,
    lottery_ticket,
    redrawn,
    share_of_round,
)
from joulebird.baselines.pruning import weights
from joulebird.baselines.pruning.masked import masked_ticket, train_masked
from joulebird.baselines.training.loop import train
from joulebird.harness.core.errors import SpecError


@pytest.fixture
def small(task):
    """Two epochs at half of the weights."""
    return task._replace(
        dataset="tiny:TINY",
        prune_ratio=0.5,
        schedule=task.schedule._replace(epochs=2, milestones=(1,)),
    )


def results(run):
    return {artifact.id.rpartition("-")[0]: artifact.load() for artifact in run.artifacts.values()}


def test_one_shot_rewinds_everything_to_the_start_and_holds_the_mask(small):
    run = Run()
    final = lottery_ticket(small, run)
    assert run.order == ["dense", "prune", "retrain"]
    found = results(run)
    masks, start = found["prune"]["masks"], small.build().state_dict()
    names = weights.prunable(small.build())
    expected = weights.select(weights.magnitudes(found["dense"]["state"], names), 0.5)
    assert list(masks) == names
    assert all(torch.equal(masks[name], expected[name]) for name in names)
    for name, value in found["prune"]["state"].items():
        assert torch.equal(value, start[name] * masks[name] if name in masks else start[name])
    trained = final.load()
    assert trained["epoch"] == 2
    for name, mask in masks.items():
        assert float(trained["state"][name][~mask].abs().max()) == 0
        assert not torch.equal(trained["state"][name], found["prune"]["state"][name])


def test_sparsity_and_sparse_arithmetic_are_noted(small):
    run = Run()
    lottery_ticket(small, run)
    metrics = next(
        artifact.stage.metrics
        for artifact in run.artifacts.values()
        if artifact.id.startswith("prune")
    )
    assert 0.5 < metrics["sparsity"] < 0.51
    dense_macs = run.artifacts[next(iter(run.artifacts))].stage.works[0]["macs"]
    assert 0.2 * dense_macs < metrics["theoretical_sparse_macs"] < 0.8 * dense_macs


def test_sparse_arithmetic_counts_every_kept_weight_once_a_place(small):
    network = small.build()
    names = weights.prunable(network)
    scores = weights.magnitudes(network.state_dict(), names)
    everything = weights.sparse_macs(network, weights.all_kept(scores), (3, 32, 32))
    first = weights.all_kept(scores)
    first[names[0]].view(-1)[:5] = False
    stage = Stage()
    masked_ticket(stage, small, network, weights.all_kept(scores))
    assert stage.metrics["theoretical_sparse_macs"] == everything
    assert everything - weights.sparse_macs(network, first, (3, 32, 32)) == 5 * 32 * 32


def test_the_dense_stage_is_shared_by_ratios_and_with_dense(small):
    run = Run()
    dense(small, run)
    for ratio in (0.3, 0.5):
        lottery_ticket(small._replace(prune_ratio=ratio), run)
    assert [artifact.id.rpartition("-")[0] for artifact in run.artifacts.values()] == [
        "dense",
        "prune",
        "retrain",
        "prune",
        "retrain",
    ]


def test_a_ratio_of_zero_trains_the_dense_network_again(small):
    run = Run()
    lottery_ticket(small._replace(prune_ratio=0.0), run)
    found = results(run)
    assert all(
        torch.equal(value, found["retrain"]["state"][name])
        for name, value in found["dense"]["state"].items()
    )


def test_rounds_rewind_to_the_same_epoch_and_prune_equal_shares(small):
    task = small._replace(schedule=small.schedule._replace(epochs=3), prune_ratio=0.36)
    run = Run()
    lottery_ticket(task, run, rounds=2, rewind_epoch=1)
    assert run.order == ["start", "dense", "prune-1", "retrain-1", "prune-2", "retrain-2"]
    found = results(run)
    first, second = found["prune-1"]["masks"], found["prune-2"]["masks"]
    assert weights.sparsity(first) == pytest.approx(0.2, abs=1e-4)
    assert weights.sparsity(second) == pytest.approx(0.36, abs=1e-4)
    for name, value in found["start"]["state"].items():
        assert torch.equal(
            found["prune-2"]["state"][name], value * second[name] if name in second else value
        )
        assert name not in first or bool((first[name] | ~second[name]).all())
    assert found["retrain-2"]["epoch"] == 3
    continued = train(Stage(), task, found["start"], from_epoch=1)
    assert all(
        torch.equal(value, continued["state"][name])
        for name, value in found["dense"]["state"].items()
    )


def test_a_round_of_everything_equals_the_one_shot_count():
    assert share_of_round(0.3, 1) == 0.3
    assert 1 - (1 - share_of_round(0.7, 6)) ** 6 == pytest.approx(0.7)


def test_new_weights_under_the_mask_have_the_spread_of_its_density(small):
    network = small._replace(width=0.5).build()
    names = weights.prunable(network)
    masks = weights.select(weights.magnitudes(network.state_dict(), names), 0.75)
    wide = small._replace(width=0.5)
    fresh = redrawn(wide, network.widths, masks)
    name = names[-1]
    weight = dict(fresh.named_parameters())[name]
    expected = (2 * weight.size(1) / int(masks[name].sum())) ** 0.5
    assert float(weight.detach().std()) == pytest.approx(expected, rel=0.02)
    assert not torch.equal(weight, dict(network.named_parameters())[name])
    assert torch.equal(weight, dict(redrawn(wide, network.widths, masks).named_parameters())[name])


def test_a_layer_that_loses_everything_is_reported(small):
    trained = {"widths": small.build().widths, "state": dict(small.build().state_dict())}
    name = weights.prunable(small.build())[3]
    trained["state"][name] = trained["state"][name] * 1e-6
    stage = Stage()
    draw_ticket(stage, small, trained, None, None, 0.5, "rethinking", "rewind")
    assert stage.warnings == [{"name": "dead_layer", "layers": [name]}]


def test_what_makes_no_ticket_is_refused(small):
    for options in ({"rounds": 0}, {"rewind_epoch": 2}, {"rule": "best"}, {"retrain": "keep"}):
        with pytest.raises(SpecError) as caught:
            lottery_ticket(small, Run(), **options)
        assert " must be " in caught.value.message


def test_a_killed_retraining_ends_with_the_same_network(small):
    drawn = draw_ticket(
        Stage(), small, train(Stage(), small), None, None, 0.5, "rethinking", "rewind"
    )
    whole = train_masked(Stage(), small, drawn)
    killed = Stage(die_after=1)
    with pytest.raises(KeyboardInterrupt):
        train_masked(killed, small, drawn)
    resumed = train_masked(Stage(saved=killed.saved), small, drawn)
    assert all(torch.equal(value, resumed["state"][name]) for name, value in whole["state"].items())
