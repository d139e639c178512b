"""Soft filter pruning: which filters go, that they may come back, and what the cut keeps."""

import json
import os

import pytest
import torch
from stages import Run, Stage
from torch import nn

from joulebird.baselines.methods import soft_filter
from joulebird.baselines.models.preresnet import PreResNet11
from joulebird.baselines.training.flops import count
from joulebird.harness.core.errors import SpecError

torch.set_num_threads(1)
with open(os.path.join(os.path.dirname(__file__), "..", "method_vectors.json")) as handle:
    VECTOR = json.load(handle)["sfp"]


def layer(rows):
    made = nn.Conv2d(2, len(rows), 1, bias=False)
    made.weight.data = torch.tensor(rows, dtype=torch.float32).view(-1, 2, 1, 1)
    return made


def zeros(weight):
    return [place for place, one in enumerate(weight.detach()) if float(one.abs().max()) == 0]


@pytest.fixture
def small(task):
    return task._replace(
        dataset="tiny:TINY",
        prune_ratio=0.5,
        schedule=task.schedule._replace(epochs=2, milestones=(1,)),
    )


def test_the_vector():
    made = layer(VECTOR["filters"])
    assert soft_filter.zeroed_count(4, 1 - VECTOR["rate"]) == VECTOR["n"]
    soft_filter.zero_filters([made], 1 - VECTOR["rate"])
    assert zeros(made.weight) == VECTOR["zeroed"]
    soft_filter.zero_filters([made], 1 - VECTOR["rate"])
    assert zeros(made.weight) == VECTOR["zeroed"]


@pytest.mark.parametrize(("channels", "rate", "zeroed"), VECTOR["int_traps"])
def test_the_authors_arithmetic(channels, rate, zeroed):
    assert soft_filter.zeroed_count(channels, 1 - rate) == zeroed


def test_keeping_everything_changes_nothing():
    made = layer(VECTOR["filters"])
    soft_filter.zero_filters([made], 0.0)
    assert made.weight.view(-1).tolist() == [value for one in VECTOR["filters"] for value in one]


def test_a_zeroed_filter_grows_back_by_its_gradient_and_momentum():
    made = layer([[3, 4], [1, 0]])
    optimizer = torch.optim.SGD(
        [made.weight], lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )

    def step():
        made.weight.grad = torch.ones_like(made.weight)
        optimizer.step()
        return made.weight.detach().view(-1).tolist()

    assert step() == pytest.approx([2.809715, 3.809620, 0.809905, -0.190000], abs=1e-6)
    soft_filter.zero_filters([made], 0.5)
    assert zeros(made.weight) == [1]
    assert step() == pytest.approx([2.538327, 3.538096, -0.271040, -0.271000], abs=1e-6)


def test_shortcuts_stay_whole_unless_asked_for():
    network = PreResNet11(10)
    assert len(soft_filter.convolutions(network)) == 10
    assert len(soft_filter.convolutions(network, skip_shortcuts=False)) == 13


def test_the_method_ends_with_exactly_the_asked_share_at_zero(small):
    run = Run()
    final = soft_filter.soft_filter(small, run).load()
    assert run.order == ["train", "cut"]
    network = small.network(final)
    for made in soft_filter.convolutions(network):
        assert len(zeros(made.weight)) == soft_filter.zeroed_count(len(made.weight), 0.5)
    cut = list(run.artifacts.values())[1]
    assert cut.load()["widths"] == [
        width - soft_filter.zeroed_count(width, 0.5) for width in network.widths
    ]
    thin = small.network(cut.load())
    assert cut.stage.metrics["macs"] == count(thin).macs
    assert cut.stage.metrics["accuracy_zeroed"] == final["accuracy_last"]


@pytest.mark.parametrize(
    "model",
    [
        "vgg16",
        "joulebird.baselines.models.preresnet:PreResNet11",
        "joulebird.baselines.models.resnet_cifar:ResNet8",
    ],
)
def test_the_cut_equals_zeroing_the_norms_behind_zeroed_filters(small, model):
    task = small._replace(model=model, width=0.25)
    torch.manual_seed(4)
    network = task.build()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.bias.data.normal_(0, 0.3)
            norm.running_mean.normal_(0, 0.3)
    soft_filter.zero_filters(soft_filter.convolutions(network), 0.5)
    soft = {"widths": network.widths, "state": network.state_dict()}
    thin = task.network(soft_filter.cut_filters(Stage(), task, soft, 0.5)).eval()
    images = torch.randn(2, 3, 32, 32)
    whole = task.network(soft).eval()
    for target in whole.thinet_targets():
        off = zeros(target.conv.weight)
        assert off
        target.bn.weight.data[off] = 0
        target.bn.bias.data[off] = 0
    with torch.no_grad():
        expected, thinned = whole(images), thin(images)
    assert count(thin).macs < count(whole).macs
    assert float((thinned - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_retraining_and_pretraining_are_stages_of_their_own(small):
    task = small._replace(schedule=small.schedule._replace(epochs=1, milestones=()))
    run = Run()
    final = soft_filter.soft_filter(task, run, pretrained=True, retrain=True, nesterov=True)
    assert run.order == ["dense", "train", "cut", "retrain"]
    assert final.load()["widths"] == list(run.artifacts.values())[2].load()["widths"]
    saved = list(run.artifacts.values())[1].stage.resume()["optimizer"]["param_groups"][0]
    assert saved["nesterov"]
    assert saved["lr"] == pytest.approx(0.01)


def test_a_killed_training_ends_with_the_same_network(small):
    whole = soft_filter.train_softly(Stage(), small, None, 0.5, 1, False, True)
    killed = Stage(die_after=1)
    with pytest.raises(KeyboardInterrupt):
        soft_filter.train_softly(killed, small, None, 0.5, 1, False, True)
    resumed = soft_filter.train_softly(Stage(saved=killed.saved), small, None, 0.5, 1, False, True)
    assert all(torch.equal(value, resumed["state"][name]) for name, value in whole["state"].items())


def test_a_ratio_of_one_is_refused(small):
    with pytest.raises(SpecError):
        soft_filter.soft_filter(small._replace(prune_ratio=1.0), Run())
