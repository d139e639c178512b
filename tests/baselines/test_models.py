"""The networks have the parameters, channels and start values that the papers' code has, and cut
exactly.
"""

import json
import math
import os

import pytest
import torch

from joulebird.baselines import MODELS
from joulebird.baselines.models.base import ChannelSelect
from joulebird.baselines.models.preresnet import PreResNet11, PreResNet101, PreResNet164
from joulebird.baselines.models.vgg import Vgg16
from joulebird.baselines.pruning import channels
from joulebird.harness.core.registry import find

with open(os.path.join(os.path.dirname(__file__), "method_vectors.json")) as handle:
    VECTORS = json.load(handle)
CASES = [
    (Vgg16, 10, "vgg16_c10"),
    (Vgg16, 100, "vgg16_c100"),
    (PreResNet101, 10, "preres101_c10"),
    (PreResNet101, 100, "preres101_c100"),
    (PreResNet164, 10, "preres164_c10"),
]


@pytest.mark.parametrize(("model", "classes", "name"), CASES)
def test_parameters_and_channels_are_the_papers(model, classes, name):
    network, expected = model(classes), VECTORS["models"][name]
    assert sum(parameter.numel() for parameter in network.parameters()) == expected["params"]
    if "bn_channels" in expected:
        assert sum(len(scale) for scale in network.scales()) == expected["bn_channels"]
    if "conv_weights" in expected:
        assert sum(conv.weight.numel() for conv in network.convs()) == expected["conv_weights"]


def test_start_values_are_the_authors():
    network = Vgg16()
    for conv in network.convs():
        assert float(conv.weight.detach().std()) == pytest.approx(
            math.sqrt(2 / (9 * conv.out_channels)), rel=0.1
        )
        assert conv.bias is None
    for norm in network.norms():
        assert norm.weight.eq(0.5).all()
        assert norm.bias.eq(0).all()
    assert float(network.classifier.weight.detach().std()) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_keeps_the_interface(name):
    model = find(MODELS, "model", name)
    network = model(7, model.dense_widths(0.25)).eval()
    assert network.classes == 7
    assert json.loads(json.dumps(network.widths)) == model.dense_widths(0.25)
    norms, scales = network.norms(), network.scales()
    assert len(norms) == len(scales)
    assert all(scale.dim() == 1 for scale in scales)
    images = torch.randn((2,) + model.input_shape)
    whole = network.cut([torch.arange(len(scale)) for scale in scales])
    assert whole.widths == network.widths
    with torch.no_grad():
        assert torch.equal(whole(images), network(images))
    modules = list(network.modules())
    targets = network.thinet_targets()
    for target in targets:
        assert norms[target.norm] is target.bn
        assert target.conv in modules
        assert target.next in modules
        assert target.conv.out_channels == target.bn.num_features
    for target in (targets[0], targets[len(targets) // 2], targets[-1]):
        half = channels.cut_one(
            network, target.norm, torch.arange(target.conv.out_channels // 2 + 1)
        )
        assert half.norms()[target.norm].num_features == target.conv.out_channels // 2 + 1


def test_cutting_leaves_the_network_and_the_random_numbers_alone():
    network = PreResNet11()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    network.cut([torch.arange(len(scale) // 2 + 1) for scale in network.scales()])
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_thin_network_can_be_cut_again():
    torch.manual_seed(0)
    network = PreResNet11().eval()
    first = [torch.arange(0, len(scale), 2) for scale in network.scales()]
    second = [torch.arange(1, len(index), 2) for index in first]
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        twice = network.cut(first).cut(second)(images)
        once = network.cut([index[again] for index, again in zip(first, second)])(images)
    assert torch.allclose(twice, once, rtol=1e-5, atol=1e-6)


def test_selecting_everything_costs_nothing():
    select, images = ChannelSelect(4, 4), torch.randn(1, 4, 2, 2)
    assert select(images) is images
    assert not list(select.buffers())


def test_a_cut_that_does_not_fit_is_refused():
    network = Vgg16(10, Vgg16.dense_widths(1 / 16))
    keep = [torch.arange(len(scale)) for scale in network.scales()]
    with pytest.raises(ValueError, match="12 lists"):
        network.cut(keep[1:])
    with pytest.raises(ValueError, match="norm 0"):
        network.cut([keep[0][:0]] + keep[1:])
