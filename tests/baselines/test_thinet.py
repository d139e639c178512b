"""ThiNet: the greedy choice and the fit against direct computation, and the sampled parts
against the real layer.
"""

import json
import os

import numpy
import pytest
import torch
from stages import Run, Stage, Stopped
from torch import nn

from joulebird.baselines.methods import thinet
from joulebird.baselines.models.preresnet import PreResNet11, PreResNet101
from joulebird.baselines.models.resnet_cifar import ResNet8
from joulebird.baselines.models.vgg import Vgg16
from joulebird.baselines.training.flops import count
from joulebird.harness.core.errors import SpecError

torch.set_num_threads(1)
with open(os.path.join(os.path.dirname(__file__), "method_vectors.json")) as handle:
    VECTORS = json.load(handle)["thinet"]


def direct_greedy(rows, keep):
    """The paper's loop, literally: the running sum of the dropped columns, and the column that
    keeps it shortest.
    """
    dropped, running = [], numpy.zeros(len(rows))
    while rows.shape[1] - len(dropped) > keep:
        lengths = [
            numpy.inf if j in dropped else ((running + rows[:, j]) ** 2).sum()
            for j in range(rows.shape[1])
        ]
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
    errors = [
        thinet.squared_error(gram, kept, numpy.ones(len(kept))),
        thinet.squared_error(gram, kept, factors),
    ]
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
    assert thinet.squared_error(gram, kept, direct) <= thinet.squared_error(
        gram, kept, numpy.ones(10)
    )
    assert thinet.squared_error(gram, kept, direct) == pytest.approx(
        ((rows.sum(1) - rows[:, kept] @ direct) ** 2).sum()
    )


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
    assert [thinet.kept_count(10, 0.9), thinet.kept_count(20, 0.9), thinet.kept_count(2, 0.9)] == [
        1,
        2,
        1,
    ]
    assert [thinet.kept_count(width, 0.7) for width in (64, 128, 256, 512)] == [19, 38, 76, 153]
    assert [thinet.kept_count(width, 0.3) for width in (64, 128, 256, 512)] == [44, 89, 179, 358]


def layers():
    convolution = {"kernel_size": 3, "padding": 1}
    return [
        nn.Conv2d(6, 9, **convolution),
        nn.Conv2d(6, 9, stride=2, **convolution),
        nn.Conv2d(6, 9, 1),
        nn.Conv2d(6, 9, 1, stride=2),
        nn.Conv2d(6, 9, 3, dilation=2),
        nn.Conv2d(6, 9, (1, 3), padding=(0, 2), stride=(2, 1)),
        nn.Linear(6 * 7 * 7, 9),
    ]


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
        rows, columns = (
            torch.randint(outputs.size(axis), (20,), generator=generator) for axis in (2, 3)
        )
        expected = outputs[images, filters, rows, columns]
    assert parts.shape == (20, 6)
    assert torch.allclose(parts.sum(1), expected - layer.bias[filters], atol=1e-5)


def test_the_gram_matrix_is_the_sum_over_batches():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)
    ).eval()
    images = torch.randn(12, 3, 8, 8)
    gram = thinet.gram_matrix(
        network, network[2], 5, images.split(5), 7, torch.Generator().manual_seed(1)
    )
    generator, rows = torch.Generator().manual_seed(1), []
    for part in images.split(5):
        rows.append(thinet.channel_parts(network[2], network[1](network[0](part)), 5, 7, generator))
    rows = torch.cat(rows).double()
    assert gram.dtype == numpy.float64
    assert gram.shape == (5, 5)
    assert numpy.allclose(gram, (rows.t() @ rows).detach().numpy(), rtol=1e-12)


def test_the_pass_stops_at_the_layer_and_leaves_no_hook():
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.Conv2d(99, 4, 3))
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(
        thinet.layer_input(network, network[2], images), network[1](network[0](images))
    )
    assert not network[2]._forward_pre_hooks


@pytest.fixture
def small(task):
    return task._replace(
        dataset="tiny:TINY",
        prune_ratio=0.5,
        schedule=task.schedule._replace(epochs=1, milestones=()),
    )


def trained(task):
    """A result with weights and statistics that look trained, without training."""
    torch.manual_seed(2)
    network = task.build()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.data.uniform_(0.3, 1.0)
            norm.bias.data.normal_(0, 0.2)
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.5, 1.5)
    return {"widths": network.widths, "state": network.state_dict()}


def test_table2_mode_trains_prunes_and_retrains_from_the_first_rate(small):
    run = Run()
    final = thinet.thinet(small, run, rows=200)
    assert run.order == ["dense", "prune", "retrain"]
    assert final.load()["widths"] == [max(1, width // 2) for width in small.dense_widths()]
    pruned = list(run.artifacts.values())[1].stage
    assert len(pruned.metrics["relative_errors"]) == 13
    assert pruned.metrics["rows"] == 200
    assert run.artifacts[list(run.artifacts)[2]].stage.epochs[0]["epoch"] == 1


def test_paper_mode_tunes_after_each_layer(small):
    run = Run()
    thinet.thinet(small, run, mode="paper", rows=50, layers=2, final_epochs=3)
    assert run.order == ["dense", "prune-1", "tune-1", "prune-2", "tune"]
    widths = [artifact.load()["widths"] for artifact in run.artifacts.values()]
    dense_widths = small.dense_widths()
    assert [one[:2] for one in widths] == [dense_widths[:2], [2, 4], [2, 4], [2, 2], [2, 2]]
    assert all(one[2:] == dense_widths[2:] for one in widths)
    assert list(run.artifacts.values())[-1].load()["epoch"] == 3


def test_the_dense_stage_does_not_depend_on_the_ratio(small):
    run = Run()
    for ratio in (0.3, 0.5):
        thinet.thinet(small._replace(prune_ratio=ratio), run, rows=50)
    assert len(run.artifacts) == 5


def test_groups_are_layers_or_bottlenecks(small):
    assert thinet.target_groups(small.build()) == [[place] for place in range(13)]
    assert thinet.target_groups(PreResNet11(10)) == [[0, 1], [2, 3], [4, 5]]
    assert thinet.target_groups(ResNet8(10)) == [[0], [1], [2]]
    assert thinet.target_groups(small.build(), layers=10)[-1] == [9]


@pytest.mark.parametrize(
    "model",
    [
        "vgg16",
        "joulebird.baselines.models.preresnet:PreResNet11",
        "joulebird.baselines.models.resnet_cifar:ResNet8",
    ],
)
def test_a_pruned_layer_costs_no_more_than_what_was_measured(small, model):
    """The error that the Gram matrix promises is the one of the thin network's real outputs, on
    the same samples.
    """
    task = small._replace(model=model, width=0.25)
    network = task.network(trained(task)).eval()
    images = next(task.data().plain_batches(64))[0]
    for place in range(len(network.thinet_targets())):
        thin, promised = thinet.prune_layer(
            network, place, 0.5, [images], 5, torch.Generator().manual_seed(place)
        )
        layers = [net.thinet_targets()[place] for net in (network, thin)]
        sampled = []
        for net, layer in zip((network, thin), layers):
            inputs, generator = (
                thinet.layer_input(net, layer.next, images),
                torch.Generator().manual_seed(place),
            )
            sampled.append(
                thinet.channel_parts(layer.next, inputs, layer.conv.out_channels, 5, generator)
                .sum(1)
                .double()
            )
        real = float(
            ((sampled[0] - sampled[1]) ** 2).sum().detach() / (sampled[0] ** 2).sum().detach()
        )
        assert layers[1].conv.out_channels == thinet.kept_count(layers[0].conv.out_channels, 0.5)
        assert real == pytest.approx(promised, rel=1e-3, abs=1e-6)
        assert promised < 1


def test_a_ratio_of_zero_leaves_the_network_and_samples_nothing(small):
    start = trained(small)
    thin = thinet.prune_layers(Stage(), small, start, 0.0, 0, 13, rows=100, locations=10)
    assert all(torch.equal(value, start["state"][name]) for name, value in thin["state"].items())


def test_pruning_in_parts_or_at_once_gives_the_same_network(small):
    start = trained(small)
    whole = thinet.prune_layers(Stage(), small, start, 0.5, 0, 13, rows=100, locations=10)
    half = thinet.prune_layers(Stage(), small, start, 0.5, 0, 6, rows=100, locations=10)
    again = thinet.prune_layers(Stage(), small, half, 0.5, 6, 13, rows=100, locations=10)
    assert again["widths"] == whole["widths"]
    assert all(torch.equal(value, again["state"][name]) for name, value in whole["state"].items())


def test_asked_to_stop_it_stops_after_the_layer(small):
    with pytest.raises(Stopped):
        thinet.prune_layers(
            Stage(stop_after=0), small, trained(small), 0.5, 0, 13, rows=100, locations=10
        )


def test_scaling_inputs_equals_scaling_the_channels():
    torch.manual_seed(0)
    factors = torch.tensor([0.5, 2.0, -1.0])
    for layer, inputs in (
        (nn.Conv2d(3, 4, 3), torch.randn(2, 3, 5, 5)),
        (nn.Linear(12, 4), torch.randn(2, 3, 4)),
    ):
        scaled = inputs * factors.view(1, 3, *[1] * (inputs.dim() - 2))
        flatten = isinstance(layer, nn.Linear)
        expected = layer(scaled.flatten(1) if flatten else scaled)
        thinet.scale_inputs(layer, factors)
        assert torch.allclose(layer(inputs.flatten(1) if flatten else inputs), expected, atol=1e-6)


def test_images_are_drawn_evenly_from_the_classes():
    labels = torch.arange(100) % 5
    chosen = thinet.stratified(labels, 40, torch.Generator().manual_seed(1))
    assert len(set(chosen.tolist())) == 40
    assert torch.bincount(labels[chosen]).tolist() == [8] * 5
    assert sorted(thinet.stratified(labels, 10**6, torch.Generator()).tolist()) == list(range(100))


def test_what_makes_no_sense_is_refused(small):
    for options in ({"mode": "iccv"}, {"rows": 0}, {"locations": 0}, {"layers": -1}):
        with pytest.raises(SpecError):
            thinet.thinet(small, Run(), **options)
    with pytest.raises(SpecError):
        thinet.prune_layers(Stage(), small, trained(small), 1.0, 0, 13, rows=10, locations=1)


def test_macs_after_uniform_pruning():
    with open(os.path.join(os.path.dirname(__file__), "method_vectors.json")) as handle:
        ratios = json.load(handle)["mac_ratio"]
    for ratio, expected in ratios["vgg16_uniform_13"].items():
        thin = Vgg16(10, [thinet.kept_count(width, float(ratio)) for width in Vgg16.dense_widths()])
        assert count(thin).macs / count(Vgg16(10)).macs == pytest.approx(expected, abs=6e-5)
    for ratio, expected in ratios["preres101_conv1_conv2_out"].items():
        widths = PreResNet101.dense_widths()
        inner = [
            [first] + [thinet.kept_count(width, float(ratio)) for width in rest]
            for first, *rest in widths[1:-1]
        ]
        thin = PreResNet101(10, [widths[0]] + inner + [widths[-1]])
        assert count(thin).macs / count(PreResNet101(10)).macs == pytest.approx(expected, abs=6e-5)


def test_pruning_leaves_the_statistics_of_what_it_keeps(small):
    """Sampling a layer shows the network images in eval mode, so running statistics are still
    those of the training.
    """
    start = trained(small)
    thin = thinet.prune_layers(Stage(), small, start, 0.5, 0, 13, rows=100, locations=10)
    names = [name for name in thin["state"] if name.endswith(("running_mean", "running_var"))]
    assert len(names) == 26
    for name in names:
        assert set(thin["state"][name].tolist()) <= set(start["state"][name].tolist()), name


@pytest.fixture
def sampled(monkeypatch):
    """The images that layers were sampled with, layer by layer, and the seed of each layer's
    places.
    """
    images, seeds = [], []
    gram_matrix = thinet.gram_matrix

    def noting(network, layer, channels, batches, locations, generator):
        batches = list(batches)
        images.append(torch.cat(batches))
        seeds.append(generator.initial_seed())
        return gram_matrix(network, layer, channels, batches, locations, generator)

    monkeypatch.setattr(thinet, "gram_matrix", noting)
    return images, seeds


def test_layers_are_sampled_with_plain_training_images_of_every_class(small, sampled):
    images, seeds = sampled
    stage, start, data = Stage(), trained(small), small.data()
    thinet.prune_layers(stage, small, start, 0.5, 0, 2, rows=200, locations=10)
    assert len(images) == 2
    assert torch.equal(images[0], images[1])
    assert len(set(seeds)) == 2
    assert len(images[0]) == stage.metrics["images"] == 20
    assert stage.metrics["rows"] == 200
    plain = data.normalise(data.train_images)
    found = [
        int((plain == one).flatten(1).all(1).nonzero()[0]) for one in images[0]
    ]  # un-augmented, or there is none
    assert torch.bincount(data.train_labels[found]).tolist() == [2] * 10
    thinet.prune_layers(stage, small._replace(seed=7), start, 0.5, 0, 1, rows=200, locations=10)
    assert not torch.equal(images[2], images[0])
    assert seeds[2] not in seeds[:2]


def test_every_layer_is_sampled_behind_the_layers_pruned_before(small, monkeypatch):
    widths, gram_matrix = [], thinet.gram_matrix

    def noting(network, *rest):
        assert not network.training
        widths.append(list(network.widths[:3]))
        return gram_matrix(network, *rest)

    monkeypatch.setattr(thinet, "gram_matrix", noting)
    thinet.prune_layers(Stage(), small, trained(small), 0.5, 0, 3, rows=50, locations=10)
    assert widths == [[4, 4, 8], [2, 4, 8], [2, 2, 8]]
