"""Operation counts against the numbers that the authors' own models and counter give, and torch's
own counter.
"""

import json
import os

import pytest
import torch
from torch import nn

from joulebird.baselines.models.preresnet import PreResNet11, PreResNet101, PreResNet164
from joulebird.baselines.models.vgg import Vgg16
from joulebird.baselines.training import flops
from joulebird.harness.core.flops import paper_gflops, paper_units, training_flops

with open(os.path.join(os.path.dirname(__file__), "..", "method_vectors.json")) as handle:
    VECTORS = json.load(handle)
# conv MACs, linear MACs, elements normalised and rectified, the authors' count, their print
EXACT = [
    (Vgg16, 10, 313196544, 5120, 276480, 276480, 627355658, 0.63),
    (Vgg16, 100, 313196544, 51200, 276480, 276480, 627447908, 0.63),
    (PreResNet101, 10, 154058752, 2560, 1945600, 1945600, 313959434, 0.31),
    (PreResNet101, 100, 154058752, 25600, 1945600, 1945600, 314005604, 0.31),
]


@pytest.mark.parametrize(
    ("model", "classes", "conv", "linear", "normalised", "rectified", "authors", "printed"), EXACT
)
def test_counts_are_the_authors(
    model, classes, conv, linear, normalised, rectified, authors, printed
):
    counted = flops.count(model(classes))
    assert (counted.conv_macs, counted.linear_macs) == (conv, linear)
    assert (counted.norm_elements, counted.relu_elements) == (normalised, rectified)
    assert counted.forward_flops == authors
    assert paper_gflops(counted.forward_flops) == printed


def test_macs_are_the_vectors():
    for name, network in (
        ("vgg16_c10", Vgg16(10)),
        ("preres101_c10", PreResNet101(10)),
        ("preres164_c10", PreResNet164(10)),
    ):
        assert flops.count(network).macs == VECTORS["models"][name]["macs"]


def test_uniform_pruning_has_the_vectors_share_of_macs():
    dense = flops.count(Vgg16()).macs
    for ratio, share in VECTORS["mac_ratio"]["vgg16_uniform_13"].items():
        widths = [max(1, int(width * (1 - float(ratio)) + 1e-9)) for width in Vgg16.dense_widths()]
        assert flops.count(Vgg16(10, widths)).macs / dense == pytest.approx(share, abs=5e-4)


def test_counting_leaves_the_model_alone():
    network = PreResNet11().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    flops.count(network)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_biases_are_counted_where_there_are_any():
    counted = flops.count(nn.Sequential(nn.Conv2d(3, 2, 1), nn.AvgPool2d(2)), (3, 4, 4))
    assert counted == flops.Count(3 * 2 * 16, 0, 2 * 16, 0, 0, 4 * 2 * 4)


def test_table_two_units():
    for name, network in (("vgg16", Vgg16()), ("preres101", PreResNet101())):
        macs = flops.count(network).macs
        assert training_flops(2 * macs, 160 * 50000) / 5e13 == pytest.approx(
            VECTORS["table2_units_dense160"][name], abs=0.005
        )
    # the paper's cells, from its rounded counts: LT 605 and 298, SNIP 302, NS 547, ThiNet 379,
    # EB Train 253
    assert paper_units([(0.63, 320)]) == pytest.approx(605, abs=0.5)
    assert paper_units([(0.31, 320)]) == pytest.approx(298, abs=0.5)
    assert paper_units([(0.63, 160), (0.51, 160)]) == pytest.approx(547, abs=0.5)
    assert paper_units([(0.63, 160), (0.16, 160)]) == pytest.approx(379, abs=0.5)


@pytest.mark.skipif(torch.__version__.startswith("1."), reason="torch 1.x has no flop counter")
def test_torch_counts_the_same_macs():
    from torch.utils.flop_counter import FlopCounterMode

    network = PreResNet11().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    assert counter.get_total_flops() == 2 * flops.count(network).macs
