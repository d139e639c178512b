"""SNIP: scores against a hand-computed network, exact counts, and which statistics the scoring
used.
"""

import copy
import json
import os
from collections import OrderedDict

import pytest
import torch
from stages import Run, Stage
from torch import nn
from torch.nn import functional

from joulebird.baselines.methods import snip
from joulebird.harness.core.errors import SpecError, TrainingError

torch.set_num_threads(1)
with open(os.path.join(os.path.dirname(__file__), "..", "method_vectors.json")) as handle:
    VECTOR = json.load(handle)["snip"]


def toy():
    layers = [nn.Linear(2, 2, bias=False) for _ in VECTOR["W"]]
    for layer, values in zip(layers, VECTOR["W"]):
        layer.weight.data = torch.tensor(values, dtype=torch.float32)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


def toy_batch():
    return torch.tensor([VECTOR["x"]], dtype=torch.float32), torch.tensor([VECTOR["y"]])


def toy_scores():
    network = toy()
    images, labels = toy_batch()
    return snip.sensitivity(network, images, labels, snip.scored(network, "conv+linear"))


def convolutional(bias=False):
    torch.manual_seed(0)
    front = (nn.Conv2d(3, 5, 3, padding=1, bias=bias), nn.BatchNorm2d(5), nn.ReLU())
    return nn.Sequential(
        *front,
        nn.Conv2d(5, 4, 3, bias=bias),
        nn.BatchNorm2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def batch():
    generator = torch.Generator().manual_seed(2)
    return torch.randn(12, 3, 6, 6, generator=generator), torch.randint(
        0, 3, (12,), generator=generator
    )


def test_scores_equal_the_hand_computed_ones():
    images, labels = toy_batch()
    assert toy()(images).tolist() == [VECTOR["logits"]]
    assert functional.cross_entropy(toy()(images), labels).item() == pytest.approx(VECTOR["loss"])
    scores = list(toy_scores().values())
    for score, signed in zip(scores, VECTOR["signed"]):
        assert torch.allclose(score, torch.tensor(signed, dtype=torch.float32).abs(), atol=1e-6)
    assert sum(float(score.sum()) for score in scores) == pytest.approx(VECTOR["sum_abs"], rel=1e-6)


def exact_scores():
    return OrderedDict(
        (str(index), torch.tensor(signed, dtype=torch.float32).abs())
        for index, signed in enumerate(VECTOR["signed"])
    )


def flat(masks):
    return torch.cat([mask.reshape(-1) for mask in masks.values()]).int().tolist()


def test_a_unique_ranking_keeps_the_five_best():
    assert flat(snip.select(toy_scores(), 7 / 12)) == VECTOR["keep_p_7_12"]


def test_ties_keep_the_first():
    assert flat(snip.select(exact_scores(), 0.5)) == VECTOR["keep_p_half_exact"]


def test_half_rounds_to_even():
    assert [snip.kept_count(5, 0.5), snip.kept_count(7, 0.5), snip.kept_count(14710464, 0.3)] == [
        2,
        4,
        10297325,
    ]


def test_scoring_leaves_the_network_as_it_was():
    network = convolutional()
    before = copy.deepcopy(network.state_dict())
    snip.sensitivity(network, *batch(), snip.scored(network))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.training


def signed_filter_sums(bn_eval):
    """Largest |sum over a filter of w * dL/dw| of the first convolution, from the signed scores of
    a plain backward pass.
    """
    network = convolutional().train(not bn_eval)
    images, labels = batch()
    functional.cross_entropy(network(images), labels).backward()
    weight = network[0].weight
    signed = weight * weight.grad
    scores = snip.sensitivity(network, images, labels, ["0.weight"], bn_eval=bn_eval)["0.weight"]
    assert torch.allclose(scores, signed.detach().abs(), atol=1e-7)
    return float(signed.detach().sum((1, 2, 3)).abs().max())


def test_batch_statistics_make_a_filter_indifferent_to_its_scale():
    assert signed_filter_sums(bn_eval=False) < 3e-6
    assert signed_filter_sums(bn_eval=True) > 1e-4


def test_scopes():
    network = convolutional(bias=True)
    assert snip.scored(network) == ["0.weight", "3.weight"]
    assert snip.scored(network, "conv+linear") == ["0.weight", "3.weight", "7.weight"]
    assert snip.scored(network, "official") == [
        "0.weight",
        "3.weight",
        "7.weight",
        "0.bias",
        "3.bias",
        "7.bias",
    ]
    assert snip.scored(convolutional(), "official") == [
        "0.weight",
        "3.weight",
        "7.weight",
        "7.bias",
    ]
    with pytest.raises(SpecError):
        snip.scored(network, "everything")


def test_official_zero_biases_are_pruned_first():
    network = convolutional(bias=True)
    for index in (0, 3, 7):
        nn.init.zeros_(network[index].bias)
    masks = snip.select(snip.sensitivity(network, *batch(), snip.scored(network, "official")), 0.3)
    assert not any(bool(masks[f"{index}.bias"].any()) for index in (0, 3, 7))


def test_scores_that_say_nothing_are_refused():
    network = convolutional()
    nn.init.zeros_(network[7].weight)
    with pytest.raises(TrainingError):
        snip.sensitivity(network, *batch(), snip.scored(network))
    nn.init.constant_(network[7].weight, float("nan"))
    with pytest.raises(TrainingError):
        snip.sensitivity(network, *batch(), snip.scored(network))


def test_parts_of_a_batch_give_the_gradient_of_the_whole_without_batch_statistics():
    network = convolutional()
    whole = snip.sensitivity(network, *batch(), snip.scored(network), bn_eval=True)
    parts = snip.sensitivity(network, *batch(), snip.scored(network), bn_eval=True, micro_batch=5)
    assert all(
        torch.allclose(value, parts[name], rtol=1e-4, atol=1e-7) for name, value in whole.items()
    )


@pytest.fixture
def small(task):
    return task._replace(
        dataset="tiny:TINY",
        prune_ratio=0.7,
        schedule=task.schedule._replace(epochs=1, milestones=()),
    )


def test_the_method_scores_once_and_trains_the_scored_weights(small):
    run = Run()
    final = snip.snip(small, run).load()
    assert run.order == ["score", "train"]
    scored, trained = run.artifacts.values()
    masks, start = scored.load()["masks"], small.build().state_dict()
    total = sum(mask.numel() for mask in masks.values())
    assert sum(int(mask.sum()) for mask in masks.values()) == snip.kept_count(total, 0.7)
    assert scored.stage.metrics["sparsity"] == pytest.approx(0.7, abs=1e-4)
    for name, value in scored.load()["state"].items():
        assert torch.equal(value, start[name] * masks[name] if name in masks else start[name])
    assert all(float(final["state"][name][~mask].abs().max()) == 0 for name, mask in masks.items())
    assert final["epoch"] == 1
    assert trained.stage.works[0]["widths"] == small.build().widths


def test_reinit_keeps_the_mask_and_draws_other_weights(small):
    kept, drawn = (
        snip.score(Stage(), small, 0.7, "conv", False, reinit) for reinit in (False, True)
    )
    assert all(torch.equal(mask, drawn["masks"][name]) for name, mask in kept["masks"].items())
    name = next(iter(kept["masks"]))
    assert not torch.equal(kept["state"][name], drawn["state"][name])
    assert torch.equal(drawn["state"][name] != 0, drawn["masks"][name])


def test_the_official_choices_give_another_mask(small):
    ours = snip.score(Stage(), small, 0.7, "conv", False, False)["masks"]
    official = snip.score(Stage(), small, 0.7, "official", True, True)["masks"]
    assert "classifier.bias" in official
    assert "classifier.bias" not in ours
    assert any(not torch.equal(ours[name], official[name]) for name in ours)


def test_a_ratio_of_one_is_refused(small):
    with pytest.raises(SpecError):
        snip.snip(small._replace(prune_ratio=1.0), Run())


def test_keeping_more_than_was_scored_is_reported(small, monkeypatch):
    def dead_scores(network, *_rest):
        scores = {"w": torch.zeros(10)}
        scores["w"][3] = 1
        return scores

    monkeypatch.setattr(snip, "sensitivity", dead_scores)
    keep = lambda stage, task, network, masks: {"masks": masks}  # noqa: E731
    monkeypatch.setattr(snip, "masked_ticket", keep)
    stage = Stage()
    masks = snip.score(stage, small, 0.5, "conv", False, False)["masks"]
    assert masks["w"].int().tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert stage.warnings == [{"name": "zero_scores", "kept": 5, "scored_above_zero": 1}]
