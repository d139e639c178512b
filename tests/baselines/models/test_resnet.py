"""ResNet18 and ResNet50: torchvision's networks with the same weights, the authors' counts, and how
they prune.
"""

import pytest
import torch

from joulebird.baselines.data.vision import import_torchvision
from joulebird.baselines.models.resnet import ResNet18, ResNet50, ResNet50v1
from joulebird.baselines.pruning import channels
from joulebird.baselines.training import flops
from joulebird.harness.core.flops import paper_gflops

torch.set_num_threads(1)


@pytest.mark.parametrize(("name", "model"), [("resnet18", ResNet18), ("resnet50", ResNet50)])
def test_torchvisions_weights_give_torchvisions_output(name, model):
    import_torchvision()
    from torchvision import models as vision

    torch.manual_seed(0)
    theirs, ours = getattr(vision, name)(num_classes=12), model(12)
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    ours.load_state_dict(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [
        name for name, _ in theirs.named_parameters()
    ]
    images = torch.randn(2, 3, 64, 64)
    for mode in (False, True):
        with torch.no_grad():
            expected, found = theirs.train(mode)(images), ours.train(mode)(images)
        assert float((expected - found).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_counts_are_the_authors():
    counted = flops.count(ResNet18(1000), ResNet18.input_shape)
    assert (counted.conv_macs, counted.linear_macs) == (1813561344, 512000)
    assert (counted.norm_elements, counted.relu_elements, counted.forward_flops) == (
        2483712,
        2308096,
        3637254632,
    )
    counted = flops.count(ResNet50(1000), ResNet50.input_shape)
    assert (counted.conv_macs, counted.linear_macs) == (4087136256, 2048000)
    shortcut_biases = (
        256 * 56 * 56 + 512 * 28 * 28 + 1024 * 14 * 14 + 2048 * 7 * 7
    )  # the authors' shortcuts have biases before their norms
    assert counted.forward_flops + shortcut_biases == 8213618152
    assert paper_gflops(counted.forward_flops) == 8.21


@pytest.mark.parametrize(
    ("keep", "gigaflops"), [(1.0, 7.72), (0.7, 4.88), (0.5, 3.41), (0.3, 2.20)]
)
def test_thinets_networks_have_the_flops_of_table_three(keep, gigaflops):
    dense = ResNet50v1.dense_widths()
    widths = dense[:1] + [[int(count * keep + 1e-9) for count in block] for block in dense[1:]]
    assert 2 * flops.count(ResNet50v1(1000, widths), (3, 224, 224)).macs / 1e9 == pytest.approx(
        gigaflops, rel=0.003
    )


def test_resnet18_never_narrows_its_stream():
    torch.manual_seed(0)
    network = ResNet18(10, ResNet18.dense_widths(0.25))
    for norm in network.norms():
        norm.weight.data.uniform_(0, 1)
    thin = channels.cut_to_masks(network, channels.ranked_masks(network.scales(), 0.5))
    assert thin.widths[0] == network.widths[0] == [16, 16, 32, 64, 128]
    assert all(
        one < dense
        for block, whole in zip(thin.widths[1:], network.widths[1:])
        for one, dense in zip(block, whole)
    )
    assert [place for place, gate in enumerate(network.gates()) if gate is None] == [7, 12, 17, 19]


def test_resnet50_stages_keep_what_the_larger_of_two_norms_keeps():
    network = ResNet50(10, ResNet50.dense_widths(1 / 16))
    masks = [torch.ones(len(scale), dtype=torch.bool) for scale in network.scales()]
    block = network.layer2[0]
    places = {id(norm): place for place, norm in enumerate(network.norms())}
    last, shortcut, follower = (
        places[id(block.bn3)],
        places[id(block.downsample[1])],
        places[id(network.layer2[2].bn3)],
    )
    masks[last][5:] = False
    masks[shortcut][:20] = False
    masks[follower][:] = False
    settled = network.kept_channels(masks)
    assert settled.rescued == []
    assert (
        settled.channels[last].tolist()
        == settled.channels[follower].tolist()
        == list(range(20, 32))
    )
    assert network.cut(settled.channels).widths[0] == [4, 16, 12, 64, 128]
    masks[shortcut][:] = masks[last][:] = False
    block.bn3.weight.data[3] = -7
    settled = network.kept_channels(masks)
    assert settled.rescued == [last]
    assert settled.channels[shortcut].tolist() == [3]
    with pytest.raises(ValueError, match="one stream"):
        network.cut(
            [
                torch.arange(len(scale)) if place != last else torch.arange(3)
                for place, scale in enumerate(network.scales())
            ]
        )
