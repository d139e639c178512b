"""SWALP (Yang et al. 2019): dense training in 8-bit block floating point, its weights averaged in float32 towards the end."""

from typing import Any, Dict, Optional

from joulebird.baselines.training.hooks import Watch, Watches
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.lowprec import swalp_rate
from joulebird.baselines.training.precision import Averaging, BlockFloat
from joulebird.baselines.training.task import Task
from joulebird.harness.core.errors import SpecError, require


def swalp(
    task: Task,
    run: Any,
    *,
    average_from: Optional[int] = None,
    average_lr: float = 0.01,
    blocks: str = "swalp",
) -> Any:
    """Train the unpruned network in 8 bits; its energy is an estimate, since the arithmetic is simulated.

    `average_from`: the 0-based epoch at which averaging starts, at the constant rate `average_lr` (default: two thirds of the
    schedule, as in the paper's 200 of 300 and 150 of 225); before it the rate falls as the authors' does, from the task's. `blocks`: which
    numbers share an exponent, "swalp" (a row of a weight, a whole vector, a whole activation) or "qpytorch" (a row, an element, a sample).
    """
    start = 2 * task.schedule.epochs // 3 if average_from is None else average_from
    if not 0 < start < task.schedule.epochs or blocks not in ("swalp", "qpytorch"):
        raise SpecError(
            f"SWALP cannot run with average_from={start}, blocks={blocks!r}",
            f'give an epoch from 1 to {task.schedule.epochs - 1}, and blocks "swalp" or "qpytorch"',
        )
    require(0 < average_lr < float("inf"), "average_lr", average_lr, "above 0")
    return run.stage("train", train_swalp, task, start, average_lr, blocks, precision="bfp8")


def train_swalp(
    stage: Any, task: Task, start: int, average_lr: float, blocks: str, *, precision: str = "bfp8"
) -> Dict[str, Any]:
    """Train in 8 bits with the weights averaged from epoch `start` on."""
    if blocks == "swalp":
        rounding = BlockFloat(block="small", activations="tensor", symmetric=False)
    else:
        rounding = BlockFloat()
    watch = Watches([rounding, Averaging(start, task.schedule.epochs), Rate(start, average_lr)])
    return train(stage, task, watch=watch, precision=precision)


class Rate(Watch):
    """SWALP's learning rate in place of the schedule's steps."""

    def __init__(self, start: int, average_lr: float) -> None:
        self.start, self.average_lr = start, average_lr

    def begin(self, loop: Any) -> None:
        initial = loop.task.schedule.lr
        loop.lr_at = lambda epoch: swalp_rate(epoch, initial, self.start, self.average_lr)
