"""Gradual pruning (Zhu & Gupta 2017) as "The sooner the better" uses it: the sparsity rises while the training goes on."""

from typing import Any, Dict, List, Optional

import torch

from joulebird.baselines.pruning import weights
from joulebird.baselines.training.hooks import Watch
from joulebird.harness.core.errors import SpecError


def sparsity_at(
    epoch: float, start: float, span: float, final: float, initial: float = 0.0
) -> float:
    """Eq. 6: the cubic from `initial` at `start` to `final` at `start` + `span`, constant outside.

    >>> [round(sparsity_at(epoch, 100, 50, 0.8), 4) for epoch in (90, 100, 125, 150, 170)]
    [0.0, 0.0, 0.7, 0.8, 0.8]
    """
    done = min(max((epoch - start) / span, 0), 1)
    return final + (initial - final) * (1 - done) ** 3


def window(start: int, end: int, final: float) -> Dict[int, float]:
    """The sparsity after each epoch of a window: {epochs done: sparsity}, one update an epoch.

    Raises SpecError for an empty window or a final sparsity that leaves nothing.
    """
    weights.check_ratio(final)
    if not 0 <= start < end:
        raise SpecError(
            f"no gradual pruning goes from epoch {start} to {end}", "start before the end"
        )
    return {epoch: sparsity_at(epoch, start, end - start, final) for epoch in range(start, end + 1)}


def tightened(
    magnitudes: weights.Tensors, target: float, kept: Optional[weights.Tensors]
) -> Dict[str, torch.Tensor]:
    """The mask at sparsity `target`: of what is still kept the smallest weights go, exactly, and none comes back."""
    kept = weights.all_kept(magnitudes) if kept is None else kept
    total, remaining = (
        sum(int(function(mask)) for mask in kept.values()) for function in (torch.numel, torch.sum)
    )
    wanted = int(round(total * (1 - target)))
    return weights.drop_smallest(magnitudes, max(remaining - wanted, 0), kept)


class Gradual(Watch):
    """Prunes by a plan {epochs done: sparsity}, in one ranking over the parameters `names`; `masks` holds the newest masks."""

    def __init__(self, plan: Dict[int, float], names: List[str]) -> None:
        self.plan, self.names = plan, names
        self.masks = None  # type: Optional[Dict[str, torch.Tensor]]

    def begin(self, loop: Any) -> None:
        self.loop = loop

    def started(self, loop: Any) -> None:
        self._update(loop.epoch)

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        self._update(epoch + 1)
        return False

    def _update(self, epoch: int) -> None:
        if epoch not in self.plan:
            return
        magnitudes = weights.magnitudes(self.loop.model.state_dict(), self.names)
        self.masks = tightened(magnitudes, self.plan[epoch], self.masks)
        self.loop.set_masks(self.masks)
        self._still()

    def _still(self) -> None:
        """Pruned weights lose their momentum too; they are held at zero anyway, but a checkpoint should not hold stale velocities."""
        named = dict(self.loop.model.named_parameters())
        for name, mask in (self.masks or {}).items():
            velocity = (
                self.loop.optimizer.state[named[name]].get("momentum_buffer")
                if named[name] in self.loop.optimizer.state
                else None
            )
            if velocity is not None:
                velocity.mul_(mask.to(velocity.device))

    def state(self) -> Dict[str, Any]:
        return {"masks": self.masks}

    def load_state(self, state: Dict[str, Any]) -> None:
        self.masks = state["masks"]
        self.loop.set_masks(self.masks)
