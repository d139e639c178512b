"""No step of an epoch makes the host wait for the device: nothing reads a value, or a shape that
depends on values, from a tensor.

What would wait on an accelerator is the same call on a CPU, so it is counted here: operations by
their aten names over the whole epoch, and calls of the methods of a tensor that bring values to the
host, from the first batch on. (Before it, once an epoch, the plan of the batches is made on the
host.) On a CPU such a method leaves no operation behind, which is why the names alone see too
little.
"""

import pytest
import torch
from stages import Stage
from torch.autograd.profiler import profile

from joulebird.baselines.models.preresnet import PreResNet11
from joulebird.baselines.training.hooks import Hook, Hooks
from joulebird.baselines.training.loop import Loop
from joulebird.baselines.training.precision import NAMES, low_precision

OPERATIONS = {
    "aten::" + name
    for name in (
        "_local_scalar_dense",
        "item",
        "is_nonzero",
        "nonzero",
        "nonzero_numpy",
        "argwhere",
        "masked_select",
        "equal",
        "allclose",
        "bincount",
        "unique",
        "_unique",
        "_unique2",
        "unique_dim",
        "unique_consecutive",
    )
}
METHODS = (
    "cpu",
    "tolist",
    "numpy",
    "to",
    "type",
    "item",
    "__array__",
    "__bool__",
    "__float__",
    "__int__",
    "__index__",
    "__complex__",
)


class ThinPreResNet(PreResNet11):
    """A residual network whose selections leave channels out."""

    @classmethod
    def dense_widths(cls, width=1.0):
        stream, *blocks = super().dense_widths(1 / 4)
        return [stream] + [[max(1, count // 2) for count in block] for block in blocks]


class Steps:
    """A data set whose batches say when the first of them is out: `open` from then on, until the
    epoch's last.
    """

    def __init__(self, data):
        self.data, self.open = data, False

    def __getattr__(self, name):
        return getattr(self.data, name)

    def train_batches(self, batch, generator):
        batches = self.data.train_batches(batch, generator)
        yield next(batches)
        self.open = True  # the first step is done; those that follow are like it
        yield from batches
        self.open = False


def loop_of(task, precision="fp32", hook=None, masks=None):
    """A training under way, after its first epoch."""
    hook = Hooks(low_precision(precision) + ([hook] if hook else []))
    loop = Loop(Stage(), task, task.build(), task.data()._replace(flip=True), 1e-4, masks, hook)
    hook.begin(loop)
    hook.started(loop)
    hook.epoch_begin(loop, 0)
    loop.train_epoch(0)
    return loop


def reads(monkeypatch, loop):
    """What of an epoch brings values to the host, by name, and the names of all its operations."""
    steps, called = Steps(loop.data), []
    loop.data = steps

    def counted(name):
        real = getattr(torch.Tensor, name)

        def method(self, *arguments, **options):
            if steps.open:
                called.append(name)
            return real(self, *arguments, **options)

        return method

    with monkeypatch.context() as patched:
        for name in METHODS:
            if hasattr(torch.Tensor, name):
                patched.setattr(torch.Tensor, name, counted(name))
        with profile() as recorded:
            loop.hook.epoch_begin(loop, 1)
            loop.train_epoch(1)
    names = {event.name for event in recorded.function_events}
    return sorted(names & OPERATIONS) + sorted(set(called)), names


@pytest.mark.parametrize("precision", NAMES)
@pytest.mark.parametrize("model", ["vgg16", "tests.baselines.test_train_waiting:ThinPreResNet"])
def test_no_operation_of_an_epoch_reads_from_the_device(task, monkeypatch, model, precision):
    task = task._replace(model=model, schedule=task.schedule._replace(batch=80))
    masks = {
        name: value > 0 for name, value in task.build().state_dict().items() if value.dim() == 4
    }
    found, names = reads(monkeypatch, loop_of(task, precision, masks=masks))
    assert "aten::index_select" in names or model == "vgg16"
    assert len(names) > 20
    assert found == []


READS = {
    "cpu": lambda x: x.cpu(),
    "cpu().mean()": lambda x: x.cpu().mean(),
    "to(cpu)": lambda x: x.to("cpu"),
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x[0]),
    "int": lambda x: int(x[0]),
    "bool": lambda x: bool(x[0] > 0),
    "index": lambda x: range(10)[x.argmin() * 0],
    "unique": torch.unique,
    "nonzero": torch.nonzero,
    "mask": lambda x: x[x > 0],
    "masked_select": lambda x: x.masked_select(x > 0),
    "equal": lambda x: torch.equal(x, x),
}


@pytest.mark.parametrize("name", sorted(READS))
def test_what_reads_from_the_device_is_seen(task, monkeypatch, name):
    class Read(Hook):
        def after_step(self, loop):
            READS[name](loop.scales[0].detach())

    task = task._replace(schedule=task.schedule._replace(batch=120))
    assert reads(monkeypatch, loop_of(task, hook=Read()))[0]


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device: waiting cannot be caught in the act"
)
@pytest.mark.parametrize("precision", NAMES)
def test_nothing_waits_for_the_accelerator_inside_an_epoch(task, precision):
    loop = loop_of(task._replace(device="cuda"), precision)
    loop.hook.epoch_begin(loop, 1)
    torch.cuda.set_sync_debug_mode("error")
    try:
        loop.train_epoch(1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
