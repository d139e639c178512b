"""reports/published/network_flops.json, counted again from the networks of baselines/."""

import pytest
import torch
from torch import nn

from joulebird.baselines.models.preresnet import PreResNet101
from joulebird.baselines.models.vgg import Vgg16
from joulebird.baselines.training.flops import count
from joulebird.reports.tables import published as published_data

RATIOS = ("0.1", "0.3", "0.5", "0.7")


def kept(channels, ratio):
    return int(channels * (1 - float(ratio)) + 1e-9)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("classes", "dataset"), [(10, "CIFAR-10"), (100, "CIFAR-100")])
def test_vgg16(classes, dataset):
    known = published_data.network_flops()[f"VGG16/{dataset}"]
    assert count(Vgg16(classes)).forward_flops == known["dense"]
    for ratio in RATIOS:
        assert (
            count(
                Vgg16(classes, [kept(width, ratio) for width in Vgg16.dense_widths()])
            ).forward_flops
            == known["uniform"][ratio]
        )


@pytest.mark.parametrize(("classes", "dataset"), [(10, "CIFAR-10"), (100, "CIFAR-100")])
def test_preresnet101(classes, dataset):
    known = published_data.network_flops()[f"PreResNet-101/{dataset}"]
    assert count(PreResNet101(classes)).forward_flops == known["dense"]
    stream, *blocks, final = PreResNet101.dense_widths()
    for ratio in RATIOS:
        thin = [[into, kept(one, ratio), kept(two, ratio)] for into, one, two in blocks]
        assert (
            count(PreResNet101(classes, [stream, *thin, final])).forward_flops
            == known["uniform"][ratio]
        )


class Block(nn.Module):
    """A residual block of ImageNet's ResNets, written down for counting: (kernel, channels,
    stride) of each convolution.
    """

    def __init__(self, into, layers, stride, bias=False):
        super().__init__()
        parts, channels = [], into
        for i, (kernel, out, step) in enumerate(layers):
            parts += [
                nn.Conv2d(channels, out, kernel, step, kernel // 2, bias=False),
                nn.BatchNorm2d(out),
            ]
            parts += [nn.ReLU()] if i < len(layers) - 1 else []
            channels = out
        self.body, self.end = nn.Sequential(*parts), nn.ReLU()
        self.short = nn.Sequential()
        if stride != 1 or into != channels:
            self.short = nn.Sequential(
                nn.Conv2d(into, channels, 1, stride, bias=bias), nn.BatchNorm2d(channels)
            )

    def forward(self, x):
        return self.end(self.body(x) + self.short(x))


def imagenet(blocks, out):
    stem = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    return nn.Sequential(*stem, *blocks, nn.AvgPool2d(7), nn.Flatten(), nn.Linear(out, 1000))


def resnet18():
    blocks, into = [], 64
    for stage, out in enumerate((64, 128, 256, 512)):
        for number in range(2):
            stride = 2 if stage and not number else 1
            blocks.append(Block(into, [(3, out, stride), (3, out, 1)], stride))
            into = out
    return imagenet(blocks, 512)


def resnet50(ratio="0", v1=False, bias=False):
    blocks, into = [], 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        inner, out = kept(64 * 2**stage, ratio), 256 * 2**stage
        for number in range(depth):
            stride = 2 if stage and not number else 1
            first, second = (stride, 1) if v1 else (1, stride)
            blocks.append(
                Block(into, [(1, inner, first), (3, inner, second), (1, out, 1)], stride, bias)
            )
            into = out
    return imagenet(blocks, 2048)


def test_resnet18_and_50_for_imagenet():
    known = published_data.network_flops()
    assert count(resnet18(), (3, 224, 224)).forward_flops == known["ResNet18/ImageNet"]["dense"]
    # The authors' ResNet50 has a bias on its shortcuts; it moves the count by 0.02 %.
    assert (
        count(resnet50(bias=True), (3, 224, 224)).forward_flops
        == known["ResNet50/ImageNet"]["dense"]
    )


def test_resnet50_v1_as_the_thinet_rows_count_it():
    known = published_data.network_flops()["ResNet50-v1/ImageNet"]
    assert 2 * count(resnet50(v1=True), (3, 224, 224)).macs == known["dense"]
    for ratio, flops in known["uniform"].items():
        assert 2 * count(resnet50(ratio, v1=True), (3, 224, 224)).macs == flops
