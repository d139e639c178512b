"""ThiNet: the greedy choice and the fit against direct computation, and the sampled parts against the real layer."""

import json
import os

import numpy
import pytest
import torch
from torch import nn

from baselines import thinet

torch.set_num_threads(1)
with open(os.path.join(os.path.dirname(__file__), "method_vectors.json")) as handle:
    VECTORS = json.load(handle)["thinet"]


def direct_greedy(rows, keep):
    """The paper's loop, literally: the running sum of the dropped columns, and the column that keeps it shortest."""
    dropped, running = [], numpy.zeros(len(rows))
    while rows.shape[1] - len(dropped) > keep:
        lengths = [numpy.inf if j in dropped else ((running + rows[:, j]) ** 2).sum() for j in range(rows.shape[1])]
        dropped.append(int(numpy.argmin(lengths)))
        running = running + rows[:, dropped[-1]]
    return dropped


@pytest.mark.parametrize("vector", VECTORS)
def test_vectors(vector):
    rows = numpy.array(vector["X"], dtype=float)
    gram = rows.T @ rows
    keep = thinet.kept_count(len(gram), 1 - vector["keep"])
    dropped = thinet.greedy(gram, keep)
    kept = [channel for channel in range(len(gram)) if channel not in dropped]
    factors = thinet.least_squares(gram, kept)
    assert (dropped, kept) == (vector["dropped"], vector["kept"])
    assert factors == pytest.approx(vector["w"])
    errors = [thinet.squared_error(gram, kept, numpy.ones(len(kept))), thinet.squared_error(gram, kept, factors)]
    assert errors == pytest.approx(vector["err2"])


@pytest.mark.parametrize("seed", range(5))
def test_the_gram_matrix_gives_the_same_picks_and_factors_as_the_rows(seed):
    rows = numpy.random.RandomState(seed).randn(300, 24)
    gram = rows.T @ rows
    dropped = thinet.greedy(gram, 10)
    assert dropped == direct_greedy(rows, 10)
    kept = sorted(set(range(24)) - set(dropped))
    direct = numpy.linalg.lstsq(rows[:, kept], rows.sum(1), rcond=None)[0]
    assert numpy.allclose(thinet.least_squares(gram, kept), direct, rtol=0, atol=1e-12)
    assert thinet.squared_error(gram, kept, direct) <= thinet.squared_error(gram, kept, numpy.ones(10))
    assert thinet.squared_error(gram, kept, direct) == pytest.approx(((rows.sum(1) - rows[:, kept] @ direct) ** 2).sum())


def test_dead_channels_go_first_and_never_stop_the_fit():
    rows = numpy.random.RandomState(0).randn(50, 6)
    rows[:, [1, 4]] = 0
    gram = rows.T @ rows
    assert thinet.greedy(gram, 4) == [1, 4]
    assert numpy.isfinite(thinet.least_squares(gram, [0, 1, 2])).all()
    assert numpy.isfinite(thinet.least_squares(numpy.zeros((3, 3)), [0, 1])).all()


def test_keeping_everything_changes_nothing():
    rows = numpy.random.RandomState(1).randn(40, 5)
    assert thinet.greedy(rows.T @ rows, 5) == []
    assert numpy.allclose(thinet.least_squares(rows.T @ rows, list(range(5))), 1)


def test_counts_survive_floating_point():
    assert [thinet.kept_count(10, 0.9), thinet.kept_count(20, 0.9), thinet.kept_count(2, 0.9)] == [1, 2, 1]
    assert [thinet.kept_count(width, 0.7) for width in (64, 128, 256, 512)] == [19, 38, 76, 153]
    assert [thinet.kept_count(width, 0.3) for width in (64, 128, 256, 512)] == [44, 89, 179, 358]


def layers():
    convolution = dict(kernel_size=3, padding=1)
    return [nn.Conv2d(6, 9, **convolution), nn.Conv2d(6, 9, stride=2, **convolution), nn.Conv2d(6, 9, 1), nn.Conv2d(6, 9, 1, stride=2),
            nn.Conv2d(6, 9, 3, dilation=2), nn.Conv2d(6, 9, (1, 3), padding=(0, 2), stride=(2, 1)), nn.Linear(6 * 7 * 7, 9)]


@pytest.mark.parametrize("index", range(7))
def test_the_parts_of_a_sample_sum_to_the_layers_output(index):
    torch.manual_seed(index)
    layer, inputs = layers()[index], torch.randn(4, 6, 7, 7)
    inputs = inputs.flatten(1) if isinstance(layer, nn.Linear) else inputs
    parts = thinet.channel_parts(layer, inputs, 6, 5, torch.Generator().manual_seed(8))
    generator = torch.Generator().manual_seed(8)
    filters = torch.randint(9, (20,), generator=generator)
    images = torch.arange(4).repeat_interleave(5)
    outputs = layer(inputs)
    if isinstance(layer, nn.Linear):
        expected = outputs[images, filters]
    else:
        rows, columns = (torch.randint(outputs.size(axis), (20,), generator=generator) for axis in (2, 3))
        expected = outputs[images, filters, rows, columns]
    assert parts.shape == (20, 6)
    assert torch.allclose(parts.sum(1), expected - layer.bias[filters], atol=1e-5)


def test_the_gram_matrix_is_the_sum_over_batches():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval()
    images = torch.randn(12, 3, 8, 8)
    gram = thinet.gram_matrix(network, network[2], 5, images.split(5), 7, torch.Generator().manual_seed(1))
    generator, rows = torch.Generator().manual_seed(1), []
    for part in images.split(5):
        rows.append(thinet.channel_parts(network[2], network[1](network[0](part)), 5, 7, generator))
    rows = torch.cat(rows).double()
    assert gram.dtype == numpy.float64 and gram.shape == (5, 5)
    assert numpy.allclose(gram, (rows.t() @ rows).detach().numpy(), rtol=1e-12)


def test_the_pass_stops_at_the_layer_and_leaves_no_hook():
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.Conv2d(99, 4, 3))
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(thinet.layer_input(network, network[2], images), network[1](network[0](images)))
    assert not network[2]._forward_pre_hooks
