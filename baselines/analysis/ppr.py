"""The pseudo-pruned-then-retrained check ("The sooner the better", section 3.3): would a ticket drawn now recover in one epoch?"""

import copy
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch

from joulebird.baselines.pruning import weights
from joulebird.baselines.training.hooks import Watch
from joulebird.baselines.training.loop import Loop, evaluate


def recovered_accuracy(
    loop: Any, epoch: int, ratio: float, rate: float, names: Sequence[str]
) -> float:
    """Test accuracy of a copy of the network, pruned at `ratio` over `names` and trained for one epoch at the constant `rate`.

    Fresh momentum; the images come in the order of epoch `epoch`. Nothing of `loop` changes: the copy has its own weights,
    statistics and optimiser, random numbers come from generators of its own, and the global ones are put back.
    """
    devices = [loop.task.device] if str(loop.task.device).startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        twin = copy.deepcopy(loop.model)
        masks = weights.select(weights.magnitudes(twin.state_dict(), names), ratio)
        trial = Loop(loop.stage, loop.task, twin, loop.data, 0.0, masks, Watch())
        trial.lr_at = lambda _epoch: rate
        trial.train_epoch(epoch)
        return evaluate(twin, loop.data, loop.task.micro_batch or loop.task.schedule.batch)


def saturation(
    curve: Sequence[Tuple[int, float]], slack: float = 0.003, checks: int = 5
) -> Optional[int]:
    """The first epoch of `checks` in a row that all lie within `slack` of the best so far; None when there is none.

    `curve`: (epoch, accuracy). While accuracies still rise, the first of a row lies below its last: that is not saturation.
    The paper reads the point off its figure; the numbers here are ours.

    >>> saturation([(1, .5), (2, .6), (3, .701), (4, .7), (5, .702), (6, .701), (7, .703)], checks=4)
    3
    """
    for last in range(checks, len(curve) + 1):
        row = [accuracy for _, accuracy in curve[last - checks : last]]
        if min(row) >= max(accuracy for _, accuracy in curve[:last]) - slack:
            return curve[last - checks][0]
    return None


class PseudoPrune(Watch):
    """Makes the check after every `every` epochs and keeps the curve [(epoch, accuracy)]. Each check costs one dense epoch."""

    def __init__(self, ratio: float, rate: float, every: int, names: List[str]) -> None:
        self.ratio, self.rate, self.every, self.names = ratio, rate, every, names
        self.curve = []  # type: List[Tuple[int, float]]

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        if (epoch + 1) % self.every == 0:
            self.curve.append(
                (epoch + 1, recovered_accuracy(loop, epoch + 1, self.ratio, self.rate, self.names))
            )
        return False

    def state(self) -> Dict[str, Any]:
        return {"curve": self.curve}

    def load_state(self, state: Dict[str, Any]) -> None:
        self.curve = [tuple(point) for point in state["curve"]]
