"""Early winning tickets: the paper's formulas, a baseline in parts that is one baseline, and checks
that leave it alone.
"""

import copy
import json
import math
import os
from collections import OrderedDict

import pytest
import torch
from stages import Run, Stage

from joulebird.baselines.analysis import checks, memorisation
from joulebird.baselines.methods.early_winning import (
    draw,
    early_winning,
    prune_gradually,
    train_part,
)
from joulebird.baselines.methods.lottery_ticket import draw_ticket
from joulebird.baselines.pruning import gradual, weights
from joulebird.baselines.training.loop import train
from joulebird.harness.core.errors import SpecError

torch.set_num_threads(1)
with open(os.path.join(os.path.dirname(__file__), "..", "method_vectors.json")) as handle:
    VECTORS = json.load(handle)


@pytest.fixture
def small(task):
    return task._replace(
        model="joulebird.baselines.models.resnet_cifar:ResNet8",
        dataset="tiny:TINY",
        width=0.5,
        prune_ratio=0.8,
        sparsity=0.0,
        schedule=task.schedule._replace(epochs=4, milestones=(2, 3), batch=64),
    )


def same(first, second):
    return sorted(first) == sorted(second) and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def by_name(run):
    return {artifact.id.rpartition("-")[0]: artifact for artifact in run.artifacts.values()}


# the paper's formulas


def test_the_cubic_schedule():
    vector = VECTORS["gradual"]
    for epoch, expected in vector["s"].items():
        assert gradual.sparsity_at(
            int(epoch), vector["t0"], vector["span"], vector["sf"], vector["si"]
        ) == pytest.approx(expected)
    plan = gradual.window(100, 150, 0.8)
    assert sorted(plan) == list(range(100, 151))
    assert list(plan.values()) == sorted(plan.values())


def test_a_thousand_weights_under_the_schedule():
    vector = VECTORS["gradual"]
    torch.manual_seed(0)
    masks, before = None, None
    for epoch, kept in sorted(vector["kept_of_1000"].items(), key=lambda item: int(item[0])):
        scores = OrderedDict(a=torch.rand(10, 40), b=torch.rand(600))
        masks = gradual.tightened(scores, vector["s"][epoch], masks)
        assert sum(int(mask.sum()) for mask in masks.values()) == kept
        assert before is None or all(bool((before[name] | ~masks[name]).all()) for name in masks)
        before = masks


def test_a_sparsity_that_falls_brings_nothing_back():
    scores = {"w": torch.rand(100)}
    tight = gradual.tightened(scores, 0.5, None)
    assert torch.equal(gradual.tightened(scores, 0.2, tight)["w"], tight["w"])


def normal_layer(sigma, count=200001):
    """Evenly spaced quantiles of a normal distribution: its shares without sampling noise."""
    levels = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return (torch.erfinv(2 * levels - 1) * math.sqrt(2) * sigma).float()


def test_pseudo_rates_of_two_normal_layers():
    vector = VECTORS["pseudo_rate"]
    layers = OrderedDict((str(sigma), normal_layer(sigma).abs()) for sigma in vector["sigmas"])
    assert weights.threshold(layers, vector["p"]) == pytest.approx(vector["tau"], abs=1e-4)
    rates = checks.pseudo_rates(layers, vector["p"])
    assert rates == pytest.approx(vector["r"], abs=2e-5)
    pruned = sum(rate * 200001 for rate in rates)
    assert pruned - int(0.8 * 400002) in (
        1,
        2,
    )  # the threshold goes too; its mirror image has the same magnitude
    assert checks.spread({"w": normal_layer(0.5)}) == pytest.approx([0.5], abs=1e-4)


@pytest.mark.parametrize(
    ("samples", "classes", "accuracy", "bits"), VECTORS["memorisation_mi_bits"]
)
def test_bits_learnt_by_heart(samples, classes, accuracy, bits):
    assert memorisation.memorised_bits(samples, classes, accuracy) == pytest.approx(bits, abs=1e-5)


def test_random_labels_are_the_same_for_all_and_know_nothing_of_the_truth(small):
    data = small.data()
    first, more = memorisation.random_labels(data, 50, 1), memorisation.random_labels(data, 200, 1)
    assert torch.equal(first.train_labels, more.train_labels[:50])
    assert torch.equal(first.train_images, more.train_images[:50])
    assert not torch.equal(first.train_labels, memorisation.random_labels(data, 50, 2).train_labels)
    assert torch.equal(first.train_images, first.test_images)
    assert torch.equal(first.train_labels, first.test_labels)
    order = torch.randperm(240, generator=torch.Generator().manual_seed(1))[:200]
    assert 5 <= int((more.train_labels == data.train_labels[order]).sum()) <= 35
    assert sorted(set(more.train_labels.tolist())) == list(range(10))
    with pytest.raises(SpecError):
        memorisation.random_labels(data, 241, 1)


def test_images_learnt_by_heart_are_not_augmented(small):
    data = memorisation.random_labels(small.data(), 30, 1)
    shown = torch.cat(
        [images for images, _ in data.train_batches(7, torch.Generator().manual_seed(0))]
    )
    plain = data.normalise(data.train_images)
    matches = (shown[:, None] == plain[None]).flatten(2).all(2)
    assert bool(matches.any(1).all())
    assert bool(matches.any(0).all())


def test_saturation_waits_until_the_curve_is_flat():
    rising = [(epoch, 0.1 * epoch) for epoch in range(1, 9)]
    assert checks.saturation(rising) is None
    assert checks.saturation(rising + [(epoch, 0.8) for epoch in range(9, 14)]) == 8
    assert checks.saturation([(1, 0.9), (2, 0.5), (3, 0.5), (4, 0.5), (5, 0.5), (6, 0.5)]) is None
    assert checks.saturation([]) is None


# one baseline in parts


def test_parts_are_the_same_baseline_as_one_training(small):
    whole = train(Stage(), small)
    first = train_part(Stage(), small, None, 0, 1)
    momenta = copy.deepcopy(first["optimizer"]["state"])
    second = train_part(Stage(), small, first, 1, 3)
    assert all(
        torch.equal(
            momenta[key]["momentum_buffer"], first["optimizer"]["state"][key]["momentum_buffer"]
        )
        for key in momenta
    )
    last = train_part(Stage(), small, second, 3, 4)
    assert same(whole["state"], last["state"])
    for name in ("accuracy_best", "accuracy_last", "best_epoch", "epoch"):
        assert whole[name] == last[name]


def test_the_checks_leave_the_baseline_bitwise_unchanged(small):
    torch.manual_seed(11)
    plain = train_part(Stage(), small, None, 0, 3)
    following = torch.rand(3)
    torch.manual_seed(11)
    stage = Stage()
    checked = train_part(stage, small, None, 0, 3, ratio=0.8, ppr_every=1, spread=True)
    assert same(plain["state"], checked["state"])
    assert torch.equal(following, torch.rand(3))
    assert [epoch for epoch, _ in checked["ppr"]] == [1, 2, 3]
    assert all(0 <= accuracy <= 1 for _, accuracy in checked["ppr"])
    assert [row["epoch"] for row in checked["spread"]] == [0, 1, 2, 3]
    assert stage.metrics["ppr"] == checked["ppr"]
    assert len(stage.metrics["weight_std"]) == len(stage.metrics["layers"])
    momenta = [one["optimizer"]["state"][0]["momentum_buffer"] for one in (plain, checked)]
    assert torch.equal(*momenta)


def test_the_curves_go_on_from_part_to_part_and_through_a_kill(small):
    options = {"ratio": 0.8, "ppr_every": 2, "spread": True}
    whole = train_part(Stage(), small, None, 0, 4, **options)
    first = train_part(Stage(), small, None, 0, 2, **options)
    killed = Stage(die_after=1)
    with pytest.raises(KeyboardInterrupt):
        train_part(killed, small, first, 2, 4, **options)
    second = train_part(Stage(saved=killed.saved), small, first, 2, 4, **options)
    assert second["ppr"] == whole["ppr"]
    assert second["spread"] == whole["spread"]
    assert same(second["state"], whole["state"])


def test_a_check_that_prunes_and_learns_nothing_finds_the_baseline(small):
    """With no pruning and no learning rate, one epoch changes running statistics only; recomputed
    they are nearly the same.
    """
    stage = Stage()
    result = train_part(stage, small, None, 0, 4, ratio=0.0, ppr_every=4, ppr_rate=0.0)
    assert abs(result["ppr"][0][1] - result["accuracy_last"]) <= 0.15


# the method


def test_one_cell_of_the_grid(small):
    run = Run()
    final = early_winning(small, run, structure_epoch=3, weights_epoch=1).load()
    assert run.order == ["baseline-1", "baseline-3", "prune", "retrain"]
    found = by_name(run)
    masks = found["prune"].load()["masks"]
    names = weights.prunable(small.build(), ends=False)
    assert names[0] != "conv1.weight"
    assert len(names) == 6
    expected = weights.select(weights.magnitudes(found["baseline-3"].load()["state"], names), 0.8)
    assert same(masks, expected)
    for name, value in found["baseline-1"].load()["state"].items():
        assert torch.equal(
            found["prune"].load()["state"][name], value * masks[name] if name in masks else value
        )
    assert final["epoch"] == 4
    assert found["retrain"].stage.epochs[0]["epoch"] == 1
    assert all(float(final["state"][name][~mask].abs().max()) == 0 for name, mask in masks.items())


def test_cells_share_the_baseline_and_masks_depend_on_s_alone(small):
    run = Run()
    short = small._replace(schedule=small.schedule._replace(epochs=2, milestones=(1,)))
    for structure, values in ((2, 1), (2, 0), (1, 1), (2, 2)):
        early_winning(short, run, structure_epoch=structure, weights_epoch=values)
    assert sum(artifact.id.startswith("baseline-1") for artifact in run.artifacts.values()) == 1
    drawn = [
        artifact.load() for artifact in run.artifacts.values() if artifact.id.startswith("prune")
    ]
    assert same(drawn[0]["masks"], drawn[1]["masks"])
    assert not same(drawn[0]["masks"], drawn[2]["masks"])
    start = short.build().state_dict()
    assert all(
        torch.equal(value, start[name] * drawn[1]["masks"].get(name, 1))
        for name, value in drawn[1]["state"].items()
    )


def test_at_the_end_with_initial_weights_it_is_the_lottery_ticket(small):
    trained = train(Stage(), small)
    lottery = draw_ticket(Stage(), small, trained, None, None, 0.8, "rethinking", "rewind")
    early = draw(Stage(), small, trained, None, 0.8, True)
    assert same(lottery["masks"], early["masks"])
    assert same(lottery["state"], early["state"])


def test_masks_of_equal_density_cannot_be_far_apart(small):
    parts = [train_part(Stage(), small, None, 0, epochs) for epochs in (1, 2)]
    first, second = (draw(Stage(), small, part, None, 0.8, False)["masks"] for part in parts)
    differing = sum(int((first[name] != second[name]).sum()) for name in first)
    assert 0 < differing <= 2 * 0.2 * sum(mask.numel() for mask in first.values())


def test_gradual_pruning_ends_where_it_should_and_holds(small):
    run = Run()
    final = early_winning(small, run, structure_epoch=3, gradual_from=1).load()
    assert run.order == ["baseline-1", "gradual", "retrain"]
    drawn = by_name(run)["gradual"].load()
    total, kept = (
        sum(int(function(mask)) for mask in drawn["masks"].values())
        for function in (torch.numel, torch.sum)
    )
    assert kept == round(total * 0.2)
    assert drawn["epoch"] == 3
    for state in (drawn["state"], final["state"]):
        assert all(
            float(state[name][~mask].abs().max()) == 0 for name, mask in drawn["masks"].items()
        )
    first = by_name(run)["retrain"].stage.epochs[0]
    assert first["epoch"] == 1


def test_gradual_pruning_by_hand_given_steps_and_learning_by_heart(small):
    run = Run()
    early_winning(
        small, run, gradual_at=(1, 2, 3), gradual_percent=(40, 60, 80), memorise_images=(20,)
    )
    assert run.order == ["baseline-1", "gradual", "memorise-20", "retrain"]
    assert by_name(run)["gradual"].stage.metrics["sparsity"] == pytest.approx(0.8, abs=1e-3)
    learnt = by_name(run)["memorise-20"].stage
    assert learnt.epochs[0]["images"] == 20
    assert 0 <= learnt.metrics["memorised"] <= 1


def test_a_killed_gradual_pruning_ends_with_the_same_ticket(small):
    start = train_part(Stage(), small, None, 0, 1)
    plan = [[1, 0.0], [2, 0.7], [3, 0.8]]
    whole = prune_gradually(Stage(), small, start, plan, False)
    killed = Stage(die_after=1)
    with pytest.raises(KeyboardInterrupt):
        prune_gradually(killed, small, start, plan, False)
    resumed = prune_gradually(Stage(saved=killed.saved), small, start, plan, False)
    assert same(whole["state"], resumed["state"])
    assert same(whole["masks"], resumed["masks"])
    velocities = killed.resume()["optimizer"]["state"]
    names = [name for name, _ in small.build().named_parameters()]
    for name, mask in killed.resume()["watch"]["1"]["masks"].items():
        assert float(velocities[names.index(name)]["momentum_buffer"][~mask].abs().max()) == 0


def test_few_images_are_learnt_by_heart(small):
    longer = small._replace(
        prune_ratio=0.0,
        width=1.0,
        schedule=small.schedule._replace(epochs=40, milestones=(30,), batch=10, lr=0.05),
    )
    stage = Stage()
    drawn = draw(Stage(), longer, None, None, 0.0, False)
    assert memorisation.memorise(stage, longer, drawn, 10)["accuracy_last"] == 1.0
    assert stage.metrics["memorised_bits"] == pytest.approx(10 * math.log2(10))


@pytest.mark.parametrize(
    "options",
    [
        {"structure_epoch": 5},
        {"weights_epoch": -1},
        {"gradual_from": 4},
        {"gradual_from": 3, "structure_epoch": 2},
        {"gradual_at": (1, 2), "gradual_percent": (40,)},
        {"gradual_at": (2, 1), "gradual_percent": (40, 60)},
        {"gradual_at": (1, 2), "gradual_percent": (60, 40)},
        {"gradual_at": (1, 5), "gradual_percent": (40, 60)},
        {"gradual_at": (1, 2), "gradual_percent": (40, 100)},
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(small, options):
    run = Run()
    with pytest.raises(SpecError) as caught:
        early_winning(small, run, **options)
    assert " must be " in caught.value.message
    assert run.order == []
