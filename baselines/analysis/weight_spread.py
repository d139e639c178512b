"""The spread and pseudo pruning rates of weights ("The sooner the better", section 3.2)."""

from typing import Any, Dict, List, Mapping

import torch

from joulebird.baselines.pruning import weights
from joulebird.baselines.training.hooks import Hook


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
        magnitudes = weights.magnitudes(state, self.names)
        self.rows.append(
            {
                "epoch": epoch,
                "std": spread({name: state[name].cpu() for name in self.names}),
                "pseudo_rate": pseudo_rates(magnitudes, self.ratio),
            }
        )

    def state(self) -> Dict[str, Any]:
        """Return the rows so far."""
        return {"rows": self.rows}

    def load_state(self, state: Dict[str, Any]) -> None:
        """Restore the rows."""
        self.rows = list(state["rows"])
