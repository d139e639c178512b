"""SWALP as a method: its own learning rate, its blocks, and the averaged network at the end."""

import pytest
import torch
from stages import Run, Stage

from joulebird.baselines.methods import swalp
from joulebird.baselines.training import lowprec
from joulebird.baselines.training.hooks import Hook, Hooks
from joulebird.baselines.training.loop import train
from joulebird.harness.core.errors import SpecError


@pytest.fixture
def small(task):
    return task._replace(
        dataset="tiny:TINY", schedule=task.schedule._replace(epochs=3, milestones=(), batch=64)
    )


class Rates(Hook):
    """Keeps the rate of each epoch."""

    def __init__(self):
        self.seen = []

    def epoch_end(self, loop, epoch, accuracy):
        self.seen.append(loop.optimizer.param_groups[0]["lr"])
        return False


def test_the_rate_follows_the_authors_until_averaging_starts(small):
    rates = Rates()
    longer = small._replace(schedule=small.schedule._replace(epochs=6))
    train(Stage(), longer, hook=Hooks([swalp.Rate(4, 0.02), rates]))
    assert rates.seen == [swalp.swalp_rate(epoch, 0.1, 4, 0.02) for epoch in range(6)]
    assert rates.seen[4:] == [0.02, 0.02]


def test_the_averaged_network_is_full_precision_and_its_iterates_are_not(small):
    run = Run()
    final = swalp.swalp(small, run, average_from=1)
    assert run.order == ["train"]
    assert final.stage.works[0]["precision"] == "bfp8"
    assert final.stage.metrics["averaged_epochs"] == 2
    weight = final.load()["state"]["features.0.weight"]
    assert not torch.equal(lowprec.block_float(weight, block="small", symmetric=False), weight)
    momentum = final.stage.resume()["optimizer"]["state"][0]["momentum_buffer"]
    assert torch.equal(lowprec.block_float(momentum, block="small", symmetric=False), momentum)


def test_blocks_matter(small):
    first, second = (
        swalp.swalp(small, Run(), blocks=blocks).load()["state"] for blocks in ("swalp", "qpytorch")
    )
    assert not torch.equal(first["features.0.weight"], second["features.0.weight"])


def test_what_makes_no_sense_is_refused(small):
    for options in ({"average_from": 3}, {"average_from": 0}, {"blocks": "rows"}):
        with pytest.raises(SpecError):
            swalp.swalp(small, Run(), **options)
