"""Training in 8 bits: everything stored is on its grid, seeds decide, resuming is exact, and the
variants of EB Train run through.
"""

import pytest
import torch
from stages import Run, Stage
from torch import nn

from joulebird.baselines.methods.eb_train import eb_train
from joulebird.baselines.training import lowprec, precision
from joulebird.baselines.training.hooks import Hook, Hooks
from joulebird.baselines.training.loop import train
from joulebird.harness.core.errors import SpecError


@pytest.fixture
def small(task):
    return task._replace(
        dataset="tiny:TINY", schedule=task.schedule._replace(epochs=2, milestones=(1,), batch=64)
    )


def trained(task, name, **options):
    stage = Stage(saved=options.pop("saved", None), die_after=options.pop("die_after", None))
    hook = Hooks(precision.low_precision(name, **options))
    return train(stage, task, precision=name, hook=hook, sparsity=1e-4), stage


def same(first, second):
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("name", ["bfp8", "wage8"])
def test_the_same_seed_gives_the_same_network_and_another_another(small, name):
    first, stage = trained(small, name)
    assert stage.works[0]["precision"] == name
    assert same(first["state"], trained(small, name)[0]["state"])
    assert not same(first["state"], trained(small._replace(seed=2), name)[0]["state"])
    assert not same(first["state"], trained(small, "fp32")[0]["state"])


@pytest.mark.parametrize("name", ["bfp8", "wage8"])
def test_a_killed_training_ends_with_the_same_network(small, name):
    options = {"average_from": 0, "epochs": 2}
    whole = trained(small, name, **options)[0]
    killed = Stage(die_after=1)
    hook = Hooks(precision.low_precision(name, **options))
    with pytest.raises(KeyboardInterrupt):
        train(killed, small, precision=name, hook=hook, sparsity=1e-4)
    resumed = trained(small, name, saved=killed.saved, **options)[0]
    assert same(whole["state"], resumed["state"])
    assert whole["accuracy_last"] == resumed["accuracy_last"]


def test_every_parameter_and_momentum_is_on_the_grid(small):
    result, stage = trained(small, "bfp8")
    network = small.network(result)
    for parameter in network.parameters():
        assert torch.equal(lowprec.block_float(parameter.detach()), parameter.detach())
    buffers = [entry["momentum_buffer"] for entry in stage.resume()["optimizer"]["state"].values()]
    assert len(buffers) == len(list(network.parameters()))
    assert all(torch.equal(lowprec.block_float(buffer), buffer) for buffer in buffers)


class Look(Hook):
    """Keeps gradients as the optimiser got them, and what the first two layers put out."""

    def begin(self, loop):
        self.outputs, self.gradients = [], []
        for layer in [
            module for module in loop.model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
        ]:
            layer.register_forward_hook(
                lambda module, inputs, output: self.outputs.append(output.detach())
            )

    def after_step(self, loop):
        self.gradients = [parameter.grad.clone() for parameter in loop.model.parameters()]


def test_activations_and_gradients_are_on_the_grid_and_logits_are_not(small):
    look = Look()
    train(
        Stage(),
        small,
        precision="bfp8",
        hook=Hooks([*precision.low_precision("bfp8"), look]),
        epochs=1,
    )
    layers = 14
    last_pass = look.outputs[-layers:]
    assert all(torch.equal(lowprec.block_float(output), output) for output in last_pass[:-1])
    assert not torch.equal(lowprec.block_float(last_pass[-1]), last_pass[-1])
    assert all(torch.equal(lowprec.block_float(gradient), gradient) for gradient in look.gradients)


def test_errors_are_rounded_on_the_way_back():
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    error = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    precision._Rounded.apply(x, lowprec.block_float, lowprec.block_float).backward(error)
    assert torch.equal(x.grad, lowprec.block_float(error))
    assert not torch.equal(x.grad, error)


def test_one_step_is_gradient_sgd_weight_momentum():
    weight = nn.Parameter(torch.tensor([[0.3, -1.2, 0.01]]))
    optimizer = precision.RoundedSGD(
        [weight], lowprec.block_float, lr=0.1, momentum=0.9, weight_decay=1e-2
    )
    expected, momentum = weight.detach().clone(), None
    for gradient in (torch.tensor([[0.11, 0.5, -0.3]]), torch.tensor([[-0.07, 0.2, 0.9]])):
        weight.grad = gradient.clone()
        optimizer.step()
        step = lowprec.block_float(gradient) + 1e-2 * expected
        momentum = step if momentum is None else 0.9 * momentum + step
        expected = lowprec.block_float(expected - 0.1 * momentum)
        momentum = lowprec.block_float(momentum)
        assert torch.equal(weight.detach(), expected)
        assert torch.equal(optimizer.state[weight]["momentum_buffer"], momentum)


def test_wage_weights_stay_on_their_grid_and_inside_it(small):
    result, stage = trained(small, "wage8")
    network = small.network(result)
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            units = layer.weight.detach() * 128
            assert torch.equal(units, units.round())
    assert sorted(stage.resume()["state"]) == sorted(small.build().state_dict())


def test_giving_errors_their_power_of_two_back_changes_no_wage_step():
    gradient = torch.randn(50, generator=torch.Generator().manual_seed(0))
    plain = lowprec.wage_update(gradient, 8.0, generator=torch.Generator().manual_seed(1))
    scaled = lowprec.wage_update(
        gradient * 2.0**-9, 8.0, generator=torch.Generator().manual_seed(1)
    )
    assert torch.equal(plain, scaled)


def test_wage_learns_and_passes_no_gradient_where_it_clips(small):
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU())
    network[1].register_forward_hook(precision.Wage()._round_output)
    x = torch.tensor([[3.0, 0.25]], requires_grad=True)
    nn.init.eye_(network[0].weight)
    network(x).sum().backward()
    assert x.grad[0, 0] == 0
    assert x.grad[0, 1] != 0
    longer = small._replace(schedule=small.schedule._replace(epochs=4, milestones=()))
    losses = [facts["loss"] for facts in trained(longer, "wage8")[1].epochs]
    assert losses[-1] < losses[0]


class Keep(Hook):
    """Keeps the weights after each epoch."""

    def __init__(self):
        self.weights = []

    def begin(self, loop):
        self.loop = loop

    def epoch_end(self, loop, epoch, accuracy):
        self.weights.append(
            {name: value.detach().clone() for name, value in loop.model.named_parameters()}
        )
        return False

    def epoch_trained(self, loop, epoch):
        self.last = {name: value.detach().clone() for name, value in loop.model.named_parameters()}


def test_the_average_is_the_mean_of_the_weights_after_each_epoch(small):
    longer = small._replace(schedule=small.schedule._replace(epochs=4))
    keep, average = Keep(), precision.Averaging(1, 4)
    result = train(Stage(), longer, hook=Hooks([keep, average]))
    iterates = keep.weights[1:3] + [keep.last]
    for name in keep.last:
        mean = sum(weights[name].double() for weights in iterates) / 3
        assert torch.allclose(result["state"][name].double(), mean, rtol=1e-5, atol=1e-7)


def test_statistics_are_those_of_the_images_shown(small):
    network, data = small.build(), small.data()
    momentum = [norm.momentum for norm in network.norms()]
    network.eval()
    precision.recompute_statistics(network, data.plain_batches(96))
    assert not network.training
    assert [norm.momentum for norm in network.norms()] == momentum
    first = network.features[0]
    outputs = [first(images) for images, _ in data.plain_batches(96)]
    weights = torch.tensor([len(output) / 240.0 for output in outputs])
    means = torch.stack([output.mean((0, 2, 3)) for output in outputs])
    variances = torch.stack([output.var((0, 2, 3)) for output in outputs])
    assert torch.allclose(network.norms()[0].running_mean, weights @ means, atol=1e-5)
    assert torch.allclose(network.norms()[0].running_var, weights @ variances, rtol=1e-4)


def test_zero_rows_and_masks_survive(small):
    name = "features.3.weight"
    mask = torch.ones_like(dict(small.build().named_parameters())[name], dtype=torch.bool)
    mask[0] = False
    result = train(
        Stage(),
        small,
        precision="bfp8",
        hook=Hooks(precision.low_precision("bfp8")),
        masks={name: mask},
        epochs=1,
    )
    assert float(result["state"][name][0].abs().max()) == 0
    assert all(bool(torch.isfinite(value).all()) for value in result["state"].values())


@pytest.mark.parametrize(
    ("search", "retrain"), [("bfp8", "fp32"), ("bfp8", "bfp8"), ("wage8", "fp32")]
)
def test_eb_train_searches_and_retrains_in_the_precisions_asked_for(small, search, retrain):
    run = Run()
    task = small._replace(prune_ratio=0.3)
    final = eb_train(task, run, draw_at=1, search_precision=search, retrain_precision=retrain)
    found = [artifact.stage for artifact in run.artifacts.values()]
    assert [found[0].works[0]["precision"], found[2].works[0]["precision"]] == [search, retrain]
    assert final.load()["epoch"] == 2
    assert found[2].metrics.get("averaged_epochs") == (1 if retrain == "bfp8" else None)


def test_full_precision_adds_nothing(small):
    assert precision.low_precision("fp32", average_from=0, epochs=2) == []


def test_an_unknown_precision_is_refused():
    with pytest.raises(SpecError) as caught:
        precision.low_precision("bfp9")
    assert "bfp8" in caught.value.message
