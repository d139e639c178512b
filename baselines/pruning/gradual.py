"""Gradual pruning (Zhu & Gupta 2017) of "The sooner the better": sparsity rises with the epochs."""

from typing import Any, Dict, List, Optional

from torch import Tensor

from joulebird.baselines.pruning import weights
from joulebird.baselines.pruning.channels import check_ratio
from joulebird.baselines.training.hooks import Hook
from joulebird.harness.core.errors import require


def sparsity_at(
    epoch: float, start: float, span: float, final: float, initial: float = 0.0
) -> float:
    """Return Eq. 6: a cubic from `initial` at `start` to `final` at `start` + `span`.

    >>> [round(sparsity_at(epoch, 100, 50, 0.8), 4) for epoch in (90, 100, 125, 150, 170)]
    [0.0, 0.0, 0.7, 0.8, 0.8]
    """
    done = min(max((epoch - start) / span, 0), 1)
    return final + (initial - final) * (1 - done) ** 3


def window(start: int, end: int, final: float) -> Dict[int, float]:
    """Return the sparsity after each epoch of a window: {epochs done: sparsity}.

    Raises SpecError for an empty window or a final sparsity that leaves nothing.
    """
    check_ratio(final)
    require(0 <= start < end, "gradual_from", start, f"an epoch before the end of pruning, {end}")
    return {epoch: sparsity_at(epoch, start, end - start, final) for epoch in range(start, end + 1)}


def tightened(
    magnitudes: weights.Tensors, target: float, kept: Optional[weights.Tensors]
) -> Dict[str, Tensor]:
    """Return the mask at sparsity `target`: the smallest kept weights go, and none comes back."""
    kept = weights.all_kept(magnitudes) if kept is None else kept
    total = sum(mask.numel() for mask in kept.values())
    remaining = sum(int(mask.sum()) for mask in kept.values())
    surplus = remaining - int(round(total * (1 - target)))
    return weights.drop_smallest(magnitudes, max(surplus, 0), kept)


class Gradual(Hook):
    """Prunes by a plan {epochs done: sparsity}, in one ranking over the parameters `names`.

    `masks` are the newest masks.
    """

    saved = ("masks",)

    def __init__(self, plan: Dict[int, float], names: List[str]) -> None:
        self.plan, self.names = plan, names
        self.masks: Dict[str, Tensor] = {}

    def begin(self, loop: Any) -> None:
        """Note the loop, whose masks a checkpoint sets."""
        self.loop = loop

    def started(self, loop: Any) -> None:
        """Prune by the plan's first entry."""
        self._update(loop.epoch)

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        """Prune by the entry of the epoch that ended."""
        self._update(epoch + 1)
        return False

    def _update(self, epoch: int) -> None:
        if epoch not in self.plan:
            return
        magnitudes = weights.magnitudes(self.loop.model.state_dict(), self.names)
        self.masks = tightened(magnitudes, self.plan[epoch], self.masks or None)
        self.loop.set_masks(self.masks)
        # no checkpoint is to hold stale velocities of pruned weights
        for parameter, mask in zip(self.loop.masked, self.loop.masks):
            velocity = self.loop.optimizer.state.get(parameter, {}).get("momentum_buffer")
            if velocity is not None:
                velocity.mul_(mask)

    def load_state(self, state: Dict[str, Any]) -> None:
        """Restore the masks, in the loop too."""
        super().load_state(state)
        self.loop.set_masks(self.masks)
