"""ResNets with parameter-free shortcuts: their counts, their shortcut, and an exact cut."""

import pytest
import torch
from torch import nn

from joulebird.baselines.models.resnet_cifar import BasicBlock, ResNet8, ResNet20, ResNet56
from joulebird.baselines.training.flops import count

torch.set_num_threads(1)


def lively(network):
    """Scales, shifts and statistics as different as training makes them."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.data.uniform_(0.2, 1.0)
            norm.bias.data.normal_(0, 0.3)
            norm.running_mean.normal_(0, 0.3)
            norm.running_var.uniform_(0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize(
    ("model", "parameters", "macs", "ranked"),
    [(ResNet20, 269722, 40551040, 336), (ResNet56, 853018, 125485696, 1008)],
)
def test_counts(model, parameters, macs, ranked):
    network = model(10)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert count(network).macs == macs
    assert sum(len(norm.weight) for norm in network.norms()) == ranked
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) + 1 == {ResNet20: 20, ResNet56: 56}[model]


def test_the_shortcut_subsamples_and_pads_with_zeros_on_both_sides():
    block = BasicBlock(4, 10, 2, 6).eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.rand(2, 4, 8, 8)
    y = block(x).detach()
    assert y.shape == (2, 10, 4, 4)
    assert torch.equal(y[:, 3:7], x[:, :, ::2, ::2])
    assert float(y[:, :3].abs().max()) == 0
    assert float(y[:, 7:].abs().max()) == 0


@pytest.mark.parametrize("ratio", [0.3, 0.9])
def test_the_cut_is_exact_and_smaller(ratio):
    torch.manual_seed(0)
    network = lively(ResNet8(10, ResNet8.dense_widths(0.5)))
    keep = [
        torch.randperm(len(norm.weight))[: max(1, int(len(norm.weight) * (1 - ratio)))].sort()[0]
        for norm in network.norms()
    ]
    thin = network.cut(keep)
    images = torch.randn(3, 3, 32, 32)
    for norm, index in zip(network.norms(), keep):
        off = torch.ones(len(norm.weight), dtype=torch.bool)
        off[index] = False
        norm.weight.data[off] = 0
        norm.bias.data[off] = 0
    with torch.no_grad():
        expected, found = network(images), thin(images)
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
    assert thin.widths == [network.widths[0], [len(index) for index in keep]]
    assert count(thin).macs == count(ResNet8(10, thin.widths)).macs < count(network).macs


def test_a_layer_is_never_cut_away():
    network = ResNet8(10)
    keep = [torch.arange(len(norm.weight)) for norm in network.norms()]
    keep[1] = torch.arange(0)
    with pytest.raises(ValueError):
        network.cut(keep)


def test_one_step_of_training_moves_every_parameter():
    network = ResNet8(10, ResNet8.dense_widths(0.25))
    nn.functional.cross_entropy(network(torch.randn(8, 3, 32, 32)), torch.arange(8)).backward()
    assert all(bool((parameter.grad != 0).any()) for parameter in network.parameters())
