"""The ranking keeps what the authors' code keeps; no layer dies silently."""

import json
import os

import pytest
import torch

from joulebird.baselines.models.preresnet import PreResNet101
from joulebird.baselines.models.vgg import Vgg16
from joulebird.baselines.pruning import channels
from joulebird.harness.core.errors import SpecError

with open(os.path.join(os.path.dirname(__file__), "..", "method_vectors.json")) as handle:
    VECTORS = json.load(handle)


def spread(model):
    """A network with distinct scales."""
    torch.manual_seed(0)
    network = model()
    total = sum(norm.num_features for norm in network.norms())
    values = (torch.randperm(total).float() + 1) / total
    for norm, part in zip(
        network.norms(), values.split([norm.num_features for norm in network.norms()])
    ):
        norm.weight.data.copy_(part)
    return network


@pytest.mark.parametrize("ratio", ["0.3", "0.5", "0.7"])
def test_the_vectors_of_network_slimming(ratio):
    scales = [torch.tensor(gammas) for gammas in VECTORS["ns"]["gammas"]]
    masks = channels.ranked_masks(scales, float(ratio))
    assert [int(mask.sum()) for mask in masks] == VECTORS["ns"]["cfg"][ratio]


@pytest.mark.parametrize(("name", "model"), [("vgg16", Vgg16), ("preres101", PreResNet101)])
def test_exactly_the_authors_number_goes(name, model):
    scales = spread(model).scales()
    total = sum(len(scale) for scale in scales)
    for ratio, index in VECTORS["ns_index"][name].items():
        masks = channels.ranked_masks(scales, float(ratio))
        assert sum(int(mask.sum()) for mask in masks) == total - index - 1


def test_equal_scales_all_go():
    assert not torch.cat(channels.ranked_masks(Vgg16().scales(), 0.3)).any()


def test_a_ratio_of_zero_is_the_dense_network_and_one_is_an_error():
    assert torch.cat(channels.ranked_masks(Vgg16().scales(), 0.0)).all()
    for ratio in (1, 1.5, -0.1, float("nan")):
        with pytest.raises(SpecError) as error:
            channels.ranked_masks([torch.ones(3)], ratio)
        assert error.value.hint
    with pytest.raises(SpecError, match="not a number"):
        channels.ranked_masks([torch.tensor([1.0, float("nan")])], 0.5)


def test_distance():
    one = channels.ranked_masks([torch.tensor([0.9, -0.1, 0.4]), torch.tensor([0.05, 0.3])], 0.5)
    other = [mask.clone() for mask in one]
    assert channels.mask_distance(one, other) == 0
    other[1][0] = ~other[1][0]
    assert (
        channels.mask_distance(one, other)
        == channels.mask_distance(other, one)
        == pytest.approx(0.2)
    )
    assert channels.mask_distance(one, [~mask for mask in one]) == 1


def test_an_emptied_layer_keeps_its_strongest_channel_and_says_so():
    warnings = []
    network = Vgg16(10, Vgg16.dense_widths(1 / 16))
    network.norms()[4].weight.data.copy_(torch.linspace(-0.9, 0.1, network.widths[4]))
    masks = [torch.ones(width, dtype=torch.bool) for width in network.widths]
    masks[4][:] = False
    thin = channels.cut_to_masks(
        network, masks, lambda name, **facts: warnings.append((name, facts))
    )
    assert thin.widths[4] == 1
    assert thin.norms()[4].weight.item() == pytest.approx(-0.9)
    assert warnings == [("layer_emptied", {"layers": [4]})]
