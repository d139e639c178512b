"""The training loop: its arithmetic, exact resumption, masks that hold, what it reports, and how it
fails.
"""

import copy
import json
import os

import pytest
import torch
from stages import Stage, Stopped
from torch.nn import functional

from joulebird.baselines.data.digits import load_digits
from joulebird.baselines.models.base import Prunable
from joulebird.baselines.training import loop as training
from joulebird.baselines.training.hooks import Hook, Hooks
from joulebird.baselines.training.loop import Loop, evaluate, train
from joulebird.baselines.training.task import Schedule, Task
from joulebird.harness.core.errors import SpecError, TrainingError

with open(os.path.join(os.path.dirname(__file__), "..", "method_vectors.json")) as handle:
    VECTORS = json.load(handle)


def same(one, other):
    """Whether two results hold bitwise the same weights and statistics."""
    one, other = one["state"], other["state"]
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def whole():
    """Three epochs without interruption, with L1."""
    torch.set_num_threads(1)
    stage = Stage()
    task = Task(
        "vgg16",
        "tests.baselines.tiny:TINY",
        width=1 / 16,
        schedule=Schedule(epochs=3, milestones=(2,), batch=32),
    )
    return stage, train(stage, task, sparsity=1e-4)


def test_it_learns_and_reports_every_epoch(whole):
    stage, result = whole
    assert [row["epoch"] for row in stage.epochs] == [1, 2, 3]
    assert all(row["of"] == 3 for row in stage.epochs)
    assert stage.epochs[-1]["loss"] < stage.epochs[0]["loss"]
    assert all(row["begin_s"] < row["train_end_s"] and row["images"] == 240 for row in stage.epochs)
    accuracies = [row["test_accuracy"] for row in stage.epochs]
    assert result["accuracy_last"] == accuracies[-1]
    assert result["accuracy_best"] == max(accuracies)
    assert result["best_epoch"] == accuracies.index(max(accuracies)) + 1
    assert result["epoch"] == 3
    (work,) = stage.works
    assert work["widths"] == result["widths"]
    assert work["images_per_epoch"] == 240
    assert work["batch"] == 32
    assert work["precision"] == "fp32"
    assert work["forward_flops"] > 2 * work["macs"]
    assert all(
        value.device.type == "cpu" and value.is_contiguous() for value in result["state"].values()
    )


@pytest.mark.parametrize("killed_after", [1, 2])
def test_a_killed_training_continues_bitwise(task, whole, killed_after):
    first = Stage(die_after=killed_after)
    with pytest.raises(KeyboardInterrupt):
        train(first, task, sparsity=1e-4)
    torch.manual_seed(12345)  # the global generator plays no part
    second = Stage(saved=first.saved)
    result = train(second, task, sparsity=1e-4)
    assert same(result, whole[1])
    assert len(second.epochs) == 3 - killed_after
    for name in ("accuracy_last", "accuracy_best", "best_epoch", "epoch"):
        assert result[name] == whole[1][name]


def test_a_finished_checkpoint_trains_no_more(task, whole):
    stage = Stage(saved=whole[0].saved)
    assert same(train(stage, task, sparsity=1e-4), whole[1])
    assert stage.epochs == []


def test_stopping_leaves_a_checkpoint_of_a_whole_epoch(task, whole):
    stage = Stage(stop_after=1)
    with pytest.raises(Stopped):
        train(stage, task, sparsity=1e-4)
    assert stage.resume()["epoch"] == 1
    assert len(stage.epochs) == 1
    assert same(train(Stage(saved=stage.saved), task, sparsity=1e-4), whole[1])


def test_a_later_start_keeps_the_schedules_epochs(task):
    rates = []

    class Rates(Hook):
        def epoch_trained(self, loop, epoch):
            rates.append((epoch, loop.optimizer.param_groups[0]["lr"]))

    start = train(Stage(), task, epochs=1)
    stage = Stage()
    result = train(stage, task, start, from_epoch=1, hook=Rates())
    assert [epoch for epoch, _ in rates] == [1, 2]
    assert [row["epoch"] for row in stage.epochs] == [
        2,
        3,
    ]
    assert rates[0][1] == pytest.approx(0.1)
    assert rates[1][1] == pytest.approx(0.01)
    assert result["epoch"] == 3


def test_two_steps_equal_sgd_written_out(task):
    """Momentum, decay on everything, L1 on scales only, the average of the batch: against the
    formulas.
    """
    data = load_digits()._replace(pad=0)
    data = data._replace(train_images=data.train_images[:96], train_labels=data.train_labels[:96])
    task = task._replace(
        schedule=Schedule(epochs=1, batch=48, lr=0.05, weight_decay=0.01), sparsity=0.003
    )
    model = task.build().train().to(memory_format=training.fastest_layout("cpu"))
    buffers = {}
    loop = Loop(Stage(), task, task.build(), data, 0.0, None, Hook())
    for images, labels in data.train_batches(48, loop.generator(0)):
        model.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        norms = {id(norm.weight) for norm in model.norms()}
        for name, parameter in model.named_parameters():
            gradient = (
                parameter.grad
                + 0.01 * parameter.data
                + (0.003 * parameter.data.sign() if id(parameter) in norms else 0)
            )
            buffers[name] = (
                gradient.clone() if name not in buffers else 0.9 * buffers[name] + gradient
            )
            parameter.data -= 0.05 * buffers[name]
    result = train(Stage(), task, sparsity=0.003, data=data)
    for name, parameter in model.named_parameters():
        assert torch.allclose(result["state"][name], parameter.data, rtol=1e-4, atol=1e-5), name


class OneNorm(Prunable):
    """A scale of three channels and nothing else to learn, for the vector of the L1 step."""

    def __init__(self):
        super().__init__()
        self.widths = [3]
        self.norm = torch.nn.BatchNorm2d(3)


def test_the_l1_step_is_the_vectors(task):
    vector = VECTORS["ns"]["l1"]
    model = OneNorm()
    model.norm.weight.data = torch.tensor(vector["gamma"])
    task = task._replace(
        schedule=Schedule(lr=vector["lr"], momentum=vector["m"], weight_decay=vector["wd"])
    )
    loop = Loop(Stage(), task, model, None, vector["s"], None, Hook())
    for expected in (vector["after1"], vector["after2"]):
        model.norm.weight.grad = torch.zeros(3)
        model.norm.bias.grad = torch.zeros(3)
        loop._add_l1()
        assert not model.norm.bias.grad.any()
        loop.optimizer.step()
        assert torch.allclose(model.norm.weight.detach(), torch.tensor(expected), atol=1e-8)


def test_masked_weights_stay_zero_at_every_step(task):
    name = "features.0.weight"
    mask = (
        torch.rand(
            task.build().state_dict()[name].shape, generator=torch.Generator().manual_seed(0)
        )
        > 0.5
    )
    steps = []

    class Look(Hook):
        def after_step(self, loop):
            weight = dict(loop.model.named_parameters())[name]
            steps.append(float(weight.detach()[~mask].abs().max()))

    result = train(Stage(), task, masks={name: mask}, hook=Look(), epochs=1)
    assert len(steps) == 8
    assert max(steps) == 0
    assert result["state"][name][mask].ne(0).all()
    assert not result["state"][name][~mask].any()


def test_masking_gradients_gives_the_same_kept_weights(task):
    """Re-masking after the step, and masking gradients with a fresh optimiser, are the same
    training, bit for bit.
    """
    names = [name for name, value in task.build().state_dict().items() if value.dim() == 4]
    generator = torch.Generator().manual_seed(1)
    masks = {
        name: torch.rand(value.shape, generator=generator) > 0.5
        for name, value in task.build().state_dict().items()
        if name in names
    }

    class MaskGradients(Hook):
        def started(self, loop):
            for name, parameter in loop.model.named_parameters():
                if name in masks:
                    parameter.data.mul_(masks[name])

        def after_backward(self, loop):
            for name, parameter in loop.model.named_parameters():
                if name in masks:
                    parameter.grad.mul_(masks[name])

    assert same(
        train(Stage(), task, masks=masks, epochs=2),
        train(Stage(), task, hook=MaskGradients(), epochs=2),
    )


def test_micro_batches_add_up_to_the_batch():
    """Without batch statistics (frozen here by eval mode) the gradient of the parts is the gradient
    of the whole.
    """
    data = load_digits()
    task = Task("vgg16", "digits", width=1 / 16)
    images, labels = next(data.plain_batches(50))
    gradients = []
    for micro in (None, 16):
        model = task.build().eval()
        loop = Loop(Stage(), task._replace(micro_batch=micro), model, data, 0.0, None, Hook())
        loss = loop._backward(images, labels)
        gradients.append(
            [float(loss)] + [parameter.grad.clone() for parameter in model.parameters()]
        )
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-5)
    for one, other in zip(gradients[0][1:], gradients[1][1:]):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-6)


def test_micro_batches_train_a_whole_epoch(task):
    stage = Stage()
    train(stage, task._replace(micro_batch=12), epochs=1)
    assert stage.epochs[0]["images"] == 240
    assert stage.epochs[0]["loss"] < 10


def test_a_diverging_loss_is_an_error_and_the_last_checkpoint_stays(task):
    class Spoil(Hook):
        def epoch_begin(self, loop, epoch):
            if epoch == 1:
                next(loop.model.parameters()).data[0] = float("nan")

    stage = Stage()
    with pytest.raises(TrainingError) as error:
        train(stage, task, hook=Spoil())
    assert error.value.exit_code == 5
    assert "learning rate" in error.value.hint
    assert "epoch 2" in error.value.message
    assert "the checkpoint of epoch 1 is kept" in error.value.hint
    saved = stage.resume()
    assert saved["epoch"] == 1
    assert all(torch.isfinite(value.float()).all() for value in saved["state"].values())


def test_a_loss_that_diverges_at_once_promises_no_checkpoint(task):
    with pytest.raises(TrainingError) as error:
        train(Stage(), task._replace(schedule=task.schedule._replace(lr=1e30)), epochs=1)
    assert "epoch 1" in error.value.message
    assert "kept" not in error.value.hint


@pytest.mark.parametrize(
    ("words", "kind"),
    [("CUDA out of memory. Tried to allocate 2.00 GiB", TrainingError), ("a bug", RuntimeError)],
)
def test_memory_that_is_not_enough_names_the_way_out(task, words, kind):
    class Full(Hook):
        def after_backward(self, loop):
            raise RuntimeError(words)

    with pytest.raises(kind) as error:
        train(Stage(), task, hook=Full())
    assert kind is RuntimeError or (
        "micro_batch" in error.value.hint and "batch of 32" in error.value.message
    )


def test_evaluation_counts_every_image_once_and_changes_nothing(task):
    data = load_digits()
    model = task.build().train()
    before = copy.deepcopy(model.state_dict())
    shares = {evaluate(model, data, batch) for batch in (1, 64, 355)}
    assert len(shares) == 1
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with torch.no_grad():
        right = (model.eval()(data.normalise(data.test_images)).argmax(1) == data.test_labels).sum()
    assert shares == {float(right) / 355}


def test_evaluation_builds_no_graph(task):
    outputs = []
    model = task.build()
    model.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    evaluate(model, load_digits(), 355)
    assert outputs[0].grad_fn is None
    assert not outputs[0].requires_grad


def test_watches_are_called_in_order_and_resumed(task):
    calls = []

    class Note(Hook):
        def __init__(self, name, stop_at=None):
            self.name, self.stop_at, self.count = name, stop_at, 0

        def begin(self, loop):
            calls.append(("begin", self.name))

        def started(self, loop):
            calls.append(("started", self.name))

        def epoch_end(self, loop, epoch, accuracy):
            self.count += 1
            return epoch == self.stop_at

        def state(self):
            return {"count": self.count}

        def load_state(self, state):
            self.count = state["count"]

    one, two = Note("one"), Note("two", stop_at=1)
    stage = Stage()
    train(stage, task, hook=Hooks([one, two]))
    assert calls == [("begin", "one"), ("begin", "two"), ("started", "one"), ("started", "two")]
    assert len(stage.epochs) == 2
    assert one.count == two.count == 2
    again = Hooks([Note("one"), Note("two")])
    resumed = Stage(saved=stage.saved)
    train(resumed, task, hook=again)
    assert resumed.epochs == []
    assert [watch.count for watch in again.hooks] == [2, 2]


def test_a_network_of_another_shape_is_one_clear_error(task):
    other = task._replace(width=1 / 8).build()
    with pytest.raises(SpecError) as error:
        train(Stage(), task, {"widths": task.dense_widths(), "state": other.state_dict()})
    assert "do not fit" in error.value.message
    assert "\n" not in error.value.message
    assert error.value.hint
    with pytest.raises(SpecError, match="nowhere.weight"):
        train(Stage(), task, masks={"nowhere.weight": torch.ones(1)})


def test_the_layout_is_chosen_by_device_and_torch():
    assert training.fastest_layout("cuda") is torch.contiguous_format
    current = int(torch.__version__.split(".")[0]) >= 2
    assert training.fastest_layout("cpu") is (
        torch.channels_last if current else torch.contiguous_format
    )
