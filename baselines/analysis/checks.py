"""Checks of a baseline training ("The sooner the better"), which change none of its weights.

The weights' spread and pseudo pruning rates (section 3.2), and the pseudo-pruned-then-retrained
check (section 3.3): would a ticket that is drawn now recover its accuracy in one epoch?
"""

import copy
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import torch

from joulebird.baselines.pruning import weights
from joulebird.baselines.training.hooks import Hook
from joulebird.baselines.training.loop import Loop


def recovered_accuracy(
    loop: Any, epoch: int, ratio: float, rate: float, names: Sequence[str]
) -> float:
    """Return the test accuracy of a copy, pruned at `ratio` over `names` and trained one epoch.

    Momentum is fresh; the images come in the order of epoch `epoch`. Nothing of `loop` changes: the
    copy has its own weights, statistics, optimiser and random numbers, and the global random
    numbers are restored.
    """
    devices = [loop.task.device] if str(loop.task.device).startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        twin = copy.deepcopy(loop.model)
        masks = weights.select(weights.magnitudes(twin.state_dict(), names), ratio)
        trial = Loop(loop.stage, loop.task, twin, loop.data, 0.0, masks, Hook())
        trial.lr_at = lambda _epoch: rate
        trial.train_epoch(epoch)
        return trial.test()


def saturation(
    curve: Sequence[Tuple[int, float]], slack: float = 0.003, checks: int = 5
) -> Optional[int]:
    """Return the first epoch of `checks` in a row within `slack` of the best so far, or None.

    `curve`: (epoch, accuracy). While accuracies still rise, the first of a row lies below its last:
    that is not saturation. The paper reads the point off its figure; the numbers here are ours.

    >>> curve = [(1, .5), (2, .6), (3, .701), (4, .7), (5, .702), (6, .701), (7, .703)]
    >>> saturation(curve, checks=4)
    3
    """
    for last in range(checks, len(curve) + 1):
        row = [accuracy for _, accuracy in curve[last - checks : last]]
        if min(row) >= max(accuracy for _, accuracy in curve[:last]) - slack:
            return curve[last - checks][0]
    return None


class PseudoPrune(Hook):
    """Makes the check after every `every` epochs, each for the cost of a dense epoch.

    `curve` is [(epoch, accuracy)].
    """

    saved = ("curve",)

    def __init__(self, ratio: float, rate: float, every: int, names: List[str]) -> None:
        self.ratio, self.rate, self.every, self.names = ratio, rate, every, names
        self.curve: List[Tuple[int, float]] = []

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        """Make the check if it is due."""
        if (epoch + 1) % self.every == 0:
            recovered = recovered_accuracy(loop, epoch + 1, self.ratio, self.rate, self.names)
            self.curve.append((epoch + 1, recovered))
        return False


def spread(scores: Mapping[str, torch.Tensor]) -> List[float]:
    """Return each tensor's standard deviation (of the population): W_std of Figure 2a.

    >>> spread({"a": torch.tensor([1., -1.]), "b": torch.tensor([3., 3.])})
    [1.0, 0.0]
    """
    return [float(values.detach().double().std(unbiased=False)) for values in scores.values()]


def pseudo_rates(magnitudes: Mapping[str, torch.Tensor], ratio: float) -> List[float]:
    """Return the share of each layer that global pruning at `ratio` would take: Figure 2b.

    Weighed by the layers' sizes they add up to `ratio` (and one weight more: the authors' rule
    takes the threshold along).

    >>> pseudo_rates({"a": torch.tensor([1., 2.]), "b": torch.tensor([3., 4.])}, 0.3)
    [1.0, 0.0]
    """
    limit = weights.threshold(magnitudes, ratio)
    return [float((values <= limit).double().mean()) for values in magnitudes.values()]


class Spread(Hook):
    """Notes after each epoch, layer by layer, the prunable weights' spread and pseudo rates."""

    saved = ("rows",)

    def __init__(self, ratio: float, names: List[str]) -> None:
        self.ratio, self.names = ratio, names
        self.rows: List[Dict[str, Any]] = []

    def started(self, loop: Any) -> None:
        """Note the state before the first epoch."""
        self._note(loop, loop.epoch)

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        """Note the state after the epoch."""
        self._note(loop, epoch + 1)
        return False

    def _note(self, loop: Any, epoch: int) -> None:
        state = loop.model.state_dict()
        std = spread({name: state[name].cpu() for name in self.names})
        rates = pseudo_rates(weights.magnitudes(state, self.names), self.ratio)
        self.rows.append({"epoch": epoch, "std": std, "pseudo_rate": rates})
