"""How weight magnitudes move while a network trains ("The sooner the better", section 3.2): spread, pseudo pruning rates, decay."""

from typing import Any, Dict, List, Mapping

import torch

from joulebird.baselines.pruning import weights
from joulebird.baselines.training.hooks import Watch


def spread(scores: Mapping[str, torch.Tensor]) -> List[float]:
    """Standard deviation of each tensor's values (of the population), in order: W_std of the paper's Figure 2a.

    >>> spread({"a": torch.tensor([1., -1.]), "b": torch.tensor([3., 3.])})
    [1.0, 0.0]
    """
    return [float(values.detach().double().std(unbiased=False)) for values in scores.values()]


def pseudo_rates(magnitudes: Mapping[str, torch.Tensor], ratio: float) -> List[float]:
    """The share of each layer that global pruning at `ratio` would take, nothing being pruned: Figure 2b.

    Weighed by the layers' sizes they add up to `ratio` (and one weight more: the authors' rule takes the threshold along).

    >>> pseudo_rates({"a": torch.tensor([1., 2.]), "b": torch.tensor([3., 4.])}, 0.3)
    [1.0, 0.0]
    """
    limit = weights.threshold(magnitudes, ratio)
    return [float((values <= limit).double().mean()) for values in magnitudes.values()]


def decay(steps: int, lr: float, weight_decay: float, momentum: float) -> float:
    """What is left of a weight after `steps` without a net gradient, by the paper's Eq. 5: 1 - n eta lambda / (1 - m).

    >>> round(decay(782, 0.1, 1e-4, 0.9), 6)
    0.9218
    """
    return 1 - steps * lr * weight_decay / (1 - momentum)


def exact_decay(
    steps: int, lr: float, weight_decay: float, momentum: float, warm: bool = True
) -> float:
    """The same, stepped through as PyTorch's SGD does: v <- m v + lambda w, w <- w - eta v.

    `warm` starts from the velocity that such decay ends up with, lambda w / (1 - m), otherwise from rest.
    """
    weight, velocity = 1.0, weight_decay / (1 - momentum) if warm else 0.0
    for _ in range(steps):
        velocity = momentum * velocity + weight_decay * weight
        weight -= lr * velocity
    return weight


class Spread(Watch):
    """Notes after each epoch, layer by layer, the spread of the prunable weights and the rate at which they would be pruned."""

    def __init__(self, ratio: float, names: List[str]) -> None:
        self.ratio, self.names = ratio, names
        self.rows = []  # type: List[Dict[str, Any]]

    def started(self, loop: Any) -> None:
        self._note(loop)

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        self._note(loop, epoch + 1)
        return False

    def _note(self, loop: Any, epoch: int = 0) -> None:
        state = loop.model.state_dict()
        self.rows.append(
            {
                "epoch": epoch or loop.epoch,
                "std": spread({name: state[name].cpu() for name in self.names}),
                "pseudo_rate": pseudo_rates(weights.magnitudes(state, self.names), self.ratio),
            }
        )

    def state(self) -> Dict[str, Any]:
        return {"rows": self.rows}

    def load_state(self, state: Dict[str, Any]) -> None:
        self.rows = list(state["rows"])
