"""What reaches the training loop in each stage of each method: epochs and their rates, the L1 term,
the network, masks, momentum.
"""

import collections

import pytest
from stages import Run
from tiny import TINY

from joulebird.baselines import METHODS
from joulebird.baselines.data.tensors import DataSet
from joulebird.baselines.methods.swalp import swalp_rate
from joulebird.baselines.training.loop import Loop
from joulebird.baselines.training.task import Schedule
from joulebird.harness.core.registry import find

L1 = 3e-4
FULL = [(0, 0.1), (1, 0.1), (2, 0.01), (3, 0.001)]  # (epoch, rate)
FEW = DataSet(10, (3, 32, 32), 40, 20, lambda folder, device: few(TINY.load(folder, device)))
Got = collections.namedtuple("Got", "epochs sparsity network momentum")
Got.__doc__ = "`network`: dense, thin or masked. `momentum`: whether the part before hands some on."


def few(data):
    """The first 40 and 20 images: what is trained does not matter here."""
    return data._replace(
        train_images=data.train_images[:40],
        train_labels=data.train_labels[:40],
        test_images=data.test_images[:20],
        test_labels=data.test_labels[:20],
    )


def dense(epochs=FULL, sparsity=0.0, momentum=False):
    return Got(list(epochs), sparsity, "dense", momentum)


def thin(epochs=FULL, sparsity=0.0):
    return Got(list(epochs), sparsity, "thin", False)


def masked(epochs=FULL, momentum=False):
    return Got(list(epochs), 0.0, "masked", momentum)


def at(*rates):
    return list(enumerate(rates))


def swalp_rates(average_lr):
    return [(epoch, round(swalp_rate(epoch, 0.1, 2, average_lr), 9)) for epoch in range(4)]


class Asking(Run):
    """A run that knows which stage is under way, and what its training loop got."""

    def __init__(self, widths):
        super().__init__()
        self.running, self.got, self.widths = None, {}, widths

    def stage(self, name, function, *inputs, **options):
        self.running = name
        return super().stage(name, function, *inputs, **options)

    def note(self, loop, epoch):
        if loop.epoch != epoch:  # a trial beside the training, as the pseudo-prune check makes
            return
        network = (
            "masked" if loop.masked else "dense" if loop.model.widths == self.widths else "thin"
        )
        got = self.got.setdefault(
            self.running, Got([], loop.sparsity, network, bool(loop.optimizer.state))
        )
        got.epochs.append((epoch, round(loop.lr_at(epoch), 9)))


@pytest.fixture
def ask(task, monkeypatch):
    """Runs a method for four epochs of one step each and gives what each stage's training got."""
    small = task._replace(
        dataset="tests.baselines.methods.test_what_stages_get:FEW",
        prune_ratio=0.5,
        sparsity=L1,
        schedule=Schedule(epochs=4, milestones=(2, 3), batch=40),
    )
    train_epoch = Loop.train_epoch

    def asked(method, **options):
        run = Asking(small.dense_widths())

        def noting(loop, epoch):
            run.note(loop, epoch)
            return train_epoch(loop, epoch)

        monkeypatch.setattr(Loop, "train_epoch", noting)
        find(METHODS, "method", method)(small, run, **options)
        return run.got

    return asked


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("dense", {}, {"dense": dense()}),
        ("lottery-ticket", {}, {"dense": dense(), "retrain": masked()}),
        (
            "lottery-ticket",
            {"rounds": 2, "rewind_epoch": 1},
            {
                "start": dense(FULL[:1]),
                "dense": dense(FULL[1:]),
                "retrain-1": masked(FULL[1:]),
                "retrain-2": masked(FULL[1:]),
            },
        ),
        ("snip", {}, {"train": masked()}),
        ("network-slimming", {}, {"dense-l1": dense(sparsity=L1), "retrain": thin()}),
        (
            "network-slimming",
            {"keep_sparsity": True},
            {"dense-l1": dense(sparsity=L1), "retrain": thin(sparsity=L1)},
        ),
        ("thinet", {"rows": 20}, {"dense": dense(), "retrain": thin()}),
        (
            "thinet",
            {
                "rows": 20,
                "mode": "paper",
                "layers": 3,
                "tune_lr": 0.02,
                "tune_epochs": 3,
                "final_epochs": 3,
            },
            {
                "dense": dense(),
                "tune-1": thin(at(0.02, 0.02, 0.02)),
                "tune-2": thin(at(0.02, 0.02, 0.02)),
                "tune": thin(at(0.02, 0.002, 0.0002)),
            },
        ),
        (
            "eb-train",
            {"draw_at": 2},
            {"search": dense(FULL[:2], L1), "retrain": thin(FULL[2:], L1)},
        ),
        (
            "eb-train",
            {"draw_at": 2, "keep_sparsity": False},
            {"search": dense(FULL[:2], L1), "retrain": thin(FULL[2:])},
        ),
        (
            "eb-train",
            {"draw_at": 1, "restart": True},
            {"search": dense(FULL[:1], L1), "retrain": thin(FULL, L1)},
        ),
        (
            "eb-train",
            {"draw_at": 1, "weights": "rewind"},
            {"search": dense(FULL[:1], L1), "retrain": thin(FULL, L1)},
        ),
        (
            "eb-train",
            {"draw_at": 1, "weights": "reinit"},
            {"search": dense(FULL[:1], L1), "retrain": thin(FULL, L1)},
        ),
        (
            "eb-train",
            {"draw_at": 3, "search_lr": 0.05, "search_milestones": (0, 1)},
            {"search": dense(at(0.005, 0.0005, 0.0005), L1), "retrain": thin(FULL[3:], L1)},
        ),
        (
            "eb-train",
            {"window": 2, "epsilon": 0.99},
            {"search": dense(FULL[:3], L1), "retrain": thin(FULL[3:], L1)},
        ),
        (
            "eb-train",
            {"window": 3, "epsilon": 0.99, "criterion": "code"},
            {"search": dense(FULL[:2], L1), "retrain": thin(FULL[2:], L1)},
        ),
        ("soft-filter", {}, {"train": dense()}),
        (
            "soft-filter",
            {"pretrained": True, "retrain": True},
            {"dense": dense(), "train": dense(at(0.01, 0.01, 0.001, 0.0001)), "retrain": thin()},
        ),
        (
            "early-winning",
            {"structure_epoch": 3, "weights_epoch": 1},
            {
                "baseline-1": dense(FULL[:1]),
                "baseline-3": dense(FULL[1:3], momentum=True),
                "retrain": masked(),
            },
        ),
        (
            "early-winning",
            {"structure_epoch": 3, "gradual_from": 1},
            {
                "baseline-1": dense(FULL[:1]),
                "gradual": masked(FULL[1:3], momentum=True),
                "retrain": masked(),
            },
        ),
        (
            "early-winning",
            {"structure_epoch": 1, "memorise_images": (20,), "ppr_every": 1},
            {"baseline-1": dense(FULL[:1]), "memorise-20": masked(), "retrain": masked()},
        ),
        ("swalp", {"average_from": 2, "average_lr": 0.02}, {"train": dense(swalp_rates(0.02))}),
        ("swalp", {}, {"train": dense(swalp_rates(0.01))}),
    ],
)
def test_each_stage_trains_as_its_method_says(ask, method, options, expected):
    assert ask(method, **options) == expected
