"""A thin network computes what the dense one computes with the pruned channels forced to zero,
and is as small as it says.
"""

import functools

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from joulebird.baselines import MODELS
from joulebird.baselines.pruning import channels
from joulebird.baselines.training import flops
from joulebird.harness.core.registry import find

NAMES = sorted(MODELS)


def randomised(name, width, seed):
    """A network with random scales, shifts and statistics."""
    torch.manual_seed(seed)
    model = find(MODELS, "model", name)
    network = model(10, model.dense_widths(width))
    for norm in network.norms():
        norm.weight.data.normal_()
        norm.bias.data.normal_()
        norm.running_mean.normal_(0.0, 0.1)
        norm.running_var.uniform_(0.5, 2.0)
    return network.eval()


def output_with_zeroed(network, index, images):
    """The dense output with everything but the channels `index` of each norm forced to zero."""
    handles = []
    for gate, scale, kept in zip(network.gates(), network.scales(), index):
        mask = torch.zeros(1, len(scale), 1, 1, dtype=images.dtype)
        mask[:, kept] = 1
        if gate is not None:
            handles.append(
                gate.register_forward_hook(lambda module, inputs, output, mask=mask: output * mask)
            )
    try:
        return network(images)
    finally:
        for handle in handles:
            handle.remove()


def vgg_macs(widths):
    """What the 13 channel counts say: 3 x 3 convolutions on maps of 32, 16, 8, 4 and 2 pixels,
    and one linear layer.
    """
    sides = [32] * 2 + [16] * 2 + [8] * 3 + [4] * 3 + [2] * 3
    convolutions = zip(sides, [3] + widths, widths)
    return (
        sum(9 * side * side * before * after for side, before, after in convolutions)
        + 10 * widths[-1]
    )


def preresnet_macs(widths):
    """What stream, blocks and classifier input say; a stage's first block works on the map of
    the stage before until its 3 x 3.
    """
    stream, blocks, (last,) = widths[0], widths[1:-1], widths[-1]
    total, a_stage = 27 * 1024 * stream[0], len(blocks) // 3
    for place, (first, second, third) in enumerate(blocks):
        stage, within = divmod(place, a_stage)
        area, before = 1024 >> 2 * stage, 1024 >> 2 * (stage - (within == 0 and stage > 0))
        total += (
            before * first * second + 9 * area * second * third + area * third * stream[stage + 1]
        )
        total += area * stream[stage] * stream[stage + 1] if within == 0 else 0
    return total + 10 * last


def resnet_cifar_macs(widths):
    """What stream and inner channels say: two 3 x 3 convolutions a block on maps of 32, 16 and 8
    pixels; shortcuts cost nothing.
    """
    (stem, *stages), inner = widths
    sizes = [channels for channels in stages for _ in range(len(inner) // 3)]
    areas = [area for area in (1024, 256, 64) for _ in range(len(inner) // 3)]
    blocks = zip(areas, [stem] + sizes, inner, sizes)
    return (
        27 * 1024 * stem
        + sum(9 * area * middle * (before + after) for area, before, middle, after in blocks)
        + 10 * stages[-1]
    )


def resnet18_macs(widths):
    """What stream and blocks say: 7 x 7 on 112 pixels, then four stages of two blocks of two 3 x 3
    on 56, 28, 14 and 7 pixels.

    A block's first convolution sees the channels selected for it, its second writes the whole
    stream; the first blocks of the last three stages have a 1 x 1 shortcut from stream to stream.
    """
    stream, blocks = widths[0], widths[1:]
    total = 3 * 49 * 112**2 * stream[0] + 10 * stream[-1]
    for stage, side in enumerate((56, 28, 14, 7)):
        for selected, middle in blocks[2 * stage : 2 * stage + 2]:
            total += 9 * side**2 * middle * (selected + stream[stage + 1])
        total += side**2 * stream[stage] * stream[stage + 1] if stage else 0
    return total


def resnet50_macs(widths, early=False):
    """What stream and blocks say: 7 x 7 on 112 pixels, then 3, 4, 6 and 3 blocks of 1 x 1, 3 x 3, 1
    x 1 on 56, 28, 14 and 7 pixels.

    The first block of each stage has a 1 x 1 shortcut, and the stride of the last three stages: in
    its 3 x 3, or (`early`) its first 1 x 1.
    """
    stream, blocks = widths[0], iter(widths[1:])
    total = 3 * 49 * 112**2 * stream[0] + 10 * stream[-1]
    for stage, (side, count) in enumerate(((56, 3), (28, 4), (14, 6), (7, 3))):
        area, out = side**2, stream[stage + 1]
        for place in range(count):
            one, two = next(blocks)
            before = stream[stage] if place == 0 else out
            larger = 4 if stage and place == 0 and not early else 1
            total += area * (
                larger * before * one
                + 9 * one * two
                + two * out
                + (before * out if place == 0 else 0)
            )
    return total


LISTS = {
    "vgg16": vgg_macs,
    "preresnet101": preresnet_macs,
    "preresnet164": preresnet_macs,
    "resnet20": resnet_cifar_macs,
    "resnet56": resnet_cifar_macs,
    "resnet18": resnet18_macs,
    "resnet50": resnet50_macs,
    "resnet50-v1": functools.partial(resnet50_macs, early=True),
}


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=some.integers(0, 2**16),
    width=some.sampled_from([1 / 16, 1 / 8, 3 / 16]),
    ratio=some.floats(0, 0.95),
    again=some.floats(0, 0.9),
    emptied=some.booleans(),
)
@example(seed=1, width=1 / 8, ratio=0.4, again=0.5, emptied=False)
def test_thin_equals_dense_with_zeroed_channels(name, seed, width, ratio, again, emptied):
    """Cut twice: a thin network is cut as exactly as a dense one, and its gates are those of its
    own channels.
    """
    torch.set_num_threads(1)
    network = randomised(name, width, seed).double()
    images = torch.randn((2,) + network.input_shape, dtype=torch.float64)
    for share in (ratio, again):
        masks = channels.ranked_masks(network.scales(), share)
        if emptied:
            masks[seed % len(masks)][:] = False
        index = network.kept_channels(masks).channels
        thin = channels.cut_to_masks(network, masks).double()
        assert not thin.training
        with torch.no_grad():
            expected, found = output_with_zeroed(network, index, images), thin(images)
        # relative to the largest output; in double precision what is left are sums taken in another
        # order
        assert float((found - expected).abs().max()) <= 1e-10 * float(expected.abs().max())
        network = thin


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=some.integers(0, 2**16), ratio=some.floats(0, 0.9))
def test_thin_in_single_precision_and_its_size(name, seed, ratio):
    torch.set_num_threads(1)
    network = randomised(name, 1 / 8, seed)
    index = network.kept_channels(channels.ranked_masks(network.scales(), ratio)).channels
    thin = network.cut(index)
    images = torch.randn((2,) + network.input_shape)
    with torch.no_grad():
        expected, found = output_with_zeroed(network, index, images), thin(images)
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
    assert [len(scale) for scale in thin.scales()] == [len(kept) for kept in index]
    counted = flops.count(thin, network.input_shape)
    assert counted == flops.count(type(network)(10, thin.widths), network.input_shape)
    assert counted.macs == LISTS[name](thin.widths)
    if any(len(kept) < len(scale) for kept, scale in zip(index, network.scales())):
        assert counted.macs < flops.count(network, network.input_shape).macs
