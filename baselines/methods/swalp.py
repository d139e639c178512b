"""SWALP (Yang et al. 2019): dense training in 8-bit block floating point with averaged weights."""

from typing import Any, Optional

from joulebird.baselines.training.hooks import Hook, Hooks
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.precision import Averaging, BlockFloat
from joulebird.baselines.training.task import Result, Task
from joulebird.harness.core.errors import require


def swalp(
    task: Task,
    run: Any,
    *,
    average_from: Optional[int] = None,
    average_lr: float = 0.01,
    blocks: str = "swalp",
) -> Any:
    """Train the unpruned network in 8 bits; its energy is an estimate of simulated arithmetic.

    `average_from`: the 0-based epoch at which averaging in float32 starts, at the constant rate
    `average_lr` (default: two thirds of the schedule, as in the paper's 200 of 300 and 150 of 225);
    before it the rate falls as the authors' does, from the task's. `blocks` are the numbers that
    share an exponent: "swalp" (a row of a weight, a whole vector, a whole activation) or "qpytorch"
    (a row, an element, a sample).
    """
    epochs = task.schedule.epochs
    start = 2 * epochs // 3 if average_from is None else average_from
    require(0 < start < epochs, "average_from", start, f"from 1 to {epochs - 1}")
    require(blocks in ("swalp", "qpytorch"), "blocks", blocks, '"swalp" or "qpytorch"')
    require(0 < average_lr < float("inf"), "average_lr", average_lr, "above 0")
    return run.stage("train", train_swalp, task, start, average_lr, blocks, precision="bfp8")


def train_swalp(
    stage: Any, task: Task, start: int, average_lr: float, blocks: str, *, precision: str = "bfp8"
) -> Result:
    """Train in 8 bits with the weights averaged from epoch `start` on."""
    own: Any = {"block": "small", "activations": "tensor", "symmetric": False}
    rounding = BlockFloat(**(own if blocks == "swalp" else {}))
    hook = Hooks([rounding, Averaging(start, task.schedule.epochs), Rate(start, average_lr)])
    return train(stage, task, hook=hook, precision=precision)


class Rate(Hook):
    """SWALP's learning rate in place of the schedule's steps."""

    def __init__(self, start: int, average_lr: float) -> None:
        self.start, self.average_lr = start, average_lr

    def begin(self, loop: Any) -> None:
        """Replace the loop's rate."""
        initial = loop.task.schedule.lr
        loop.lr_at = lambda epoch: swalp_rate(epoch, initial, self.start, self.average_lr)


def swalp_rate(epoch: int, lr: float, start: int, swa_lr: float) -> float:
    """Return SWALP's learning rate in a 0-based epoch.

    It is `lr`, falls linearly to lr/100 between 0.5 and 0.9 `start`, and is `swa_lr` from `start`
    on.

    >>> [round(swalp_rate(epoch, 0.05, 200, 0.01), 9) for epoch in (0, 100, 140, 180, 200)]
    [0.05, 0.05, 0.02525, 0.0005, 0.01]
    """
    if epoch >= start:
        return swa_lr
    return lr * (1 - 0.99 * min(max(epoch / start - 0.5, 0) / 0.4, 1))
