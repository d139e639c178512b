"""Unstructured masks: the selection rules against the authors' vectors, and what masked training
must never do.
"""

import copy
import json
import os
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from joulebird.baselines.pruning import weights
from joulebird.harness.core.errors import SpecError, TrainingError

torch.set_num_threads(1)
with open(os.path.join(os.path.dirname(__file__), "method_vectors.json")) as handle:
    VECTOR = json.load(handle)["lt"]


def vector_scores():
    return OrderedDict(
        (str(index), torch.tensor(layer).abs()) for index, layer in enumerate(VECTOR["layers"])
    )


def as_ints(masks):
    return [mask.int().tolist() for mask in masks.values()]


def toy():
    torch.manual_seed(3)
    first, second = (
        (nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU()),
        (nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4), nn.Flatten()),
    )
    return nn.Sequential(*first, *second, nn.Linear(64, 3))


def toy_masks(network, ratio=0.5):
    names = weights.prunable(network)
    return weights.select(weights.magnitudes(network.state_dict(), names), ratio)


def test_the_authors_rule_prunes_one_more_than_asked_for():
    assert as_ints(weights.select(vector_scores(), VECTOR["p"])) == VECTOR["keep"]


def test_the_second_round_ranks_what_the_first_left():
    first = weights.select(vector_scores(), VECTOR["p"])
    second = weights.select(vector_scores(), VECTOR["round2"]["r"], kept=first)
    assert as_ints(second) == VECTOR["round2"]["keep"]


def test_the_other_rules_give_their_own_counts():
    assert as_ints(weights.select(vector_scores(), 0.5, "open_lth")) == [[0, 0, 0], [0, 1, 0, 1]]
    assert as_ints(weights.select(vector_scores(), 0.5, "exact")) == [[0, 1, 1], [0, 1, 0, 1]]


def test_open_lth_says_when_it_would_prune_everything():
    with pytest.raises(SpecError) as caught:
        weights.select({"w": torch.tensor([1.0, 2.0])}, 0.9, "open_lth")
    assert "exact" in caught.value.hint


@pytest.mark.parametrize("rule", weights.RULES)
def test_rounds_never_bring_a_weight_back(rule):
    torch.manual_seed(0)
    mask = None
    for _ in range(4):
        scores = OrderedDict(a=torch.rand(40, 10), b=torch.rand(600))
        following = weights.select(scores, 0.2, rule, mask)
        if mask is not None:
            assert all(bool((~following[name] | mask[name]).all()) for name in mask)
        mask = following
    assert 1 - 0.8**4 - 0.005 <= weights.sparsity(mask) <= 1 - 0.8**4 + 0.005


def test_ties_go_to_the_lowest_number():
    scores = {"a": torch.tensor([1.0, 0.0, 1.0]), "b": torch.tensor([1.0, 2.0])}
    assert as_ints(weights.drop_smallest(scores, 2)) == [[0, 0, 1], [1, 1]]
    assert as_ints(weights.keep_largest(scores, 3)) == [[1, 0, 1], [0, 1]]


@pytest.mark.parametrize("count", [0, 1, 7, 64, 100])
def test_counts_are_exact_whatever_the_ties(count):
    torch.manual_seed(1)
    scores = {"w": torch.randint(0, 4, (100,)).float()}
    assert int(weights.keep_largest(scores, count)["w"].sum()) == count
    assert int((~weights.drop_smallest(scores, count)["w"]).sum()) == count


def test_a_ratio_of_zero_prunes_nothing_and_one_is_refused():
    assert weights.sparsity(weights.select(vector_scores(), 0)) == 0
    for ratio in (1, 1.5, -0.1, float("nan")):
        with pytest.raises(SpecError):
            weights.select(vector_scores(), ratio)


def test_a_weight_that_is_not_a_number_is_refused():
    with pytest.raises(TrainingError):
        weights.select({"w": torch.tensor([1.0, float("nan"), 2.0])}, 0.5)


def test_prunable_layers():
    network = toy()
    assert weights.prunable(network) == ["0.weight", "3.weight"]
    assert weights.prunable(network, linear=True) == ["0.weight", "3.weight", "6.weight"]
    assert weights.prunable(network, linear=True, ends=False) == ["3.weight"]


def test_a_layer_without_weights_is_named():
    assert weights.emptied(
        {"a": torch.tensor([False, False]), "b": torch.tensor([False, True])}
    ) == ["a"]


def test_rewinding_copies_and_never_touches_the_original():
    network = toy()
    start = copy.deepcopy(network.state_dict())
    masks = toy_masks(network)
    state = weights.masked(network.state_dict(), masks)
    for name, value in network.state_dict().items():
        assert torch.equal(value, start[name])
        kept = masks.get(name, torch.ones_like(value, dtype=torch.bool))
        assert torch.equal(state[name], torch.where(kept, value, torch.zeros_like(value)))


def apply(network, masks):
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].mul_(mask)


def train(network, after_step=None, mask_gradients=None, steps=6):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(5)
    for _ in range(steps):
        images, labels = (
            torch.randn(8, 3, 8, 8, generator=generator),
            torch.randint(0, 3, (8,), generator=generator),
        )
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        if mask_gradients:
            for name, parameter in network.named_parameters():
                if name in mask_gradients:
                    parameter.grad.mul_(mask_gradients[name])
        optimizer.step()
        if after_step:
            apply(network, after_step)
    return network


def test_three_ways_of_masking_agree_bitwise():
    network = toy()
    masks = toy_masks(network)
    apply(network, masks)
    ours = train(copy.deepcopy(network), after_step=masks)
    gradients = train(copy.deepcopy(network), mask_gradients=masks)
    library = copy.deepcopy(network)
    prune.custom_from_mask(library[0], "weight", masks["0.weight"])
    prune.custom_from_mask(library[3], "weight", masks["3.weight"])
    train(library)
    for index in (0, 3):
        assert bool((ours[index].weight[~masks[f"{index}.weight"]] == 0).all())
        assert torch.equal(ours[index].weight, gradients[index].weight)
        assert torch.equal(
            ours[index].weight, library[index].weight_orig * library[index].weight_mask
        )


def test_a_pruned_weight_is_not_revived_by_momentum_from_before():
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    holder = nn.Module()
    holder.w = weight
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)

    def step():
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()

    step()
    masks = {"w": torch.tensor([False, True])}
    apply(holder, masks)
    for _ in range(2):
        step()
        apply(holder, masks)
    assert weight[0].item() == 0
    assert weight[1].item() == pytest.approx(1.439)
