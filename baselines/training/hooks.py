"""The interface of a method to the training loop."""

from typing import Any, Dict, Sequence


class Hook:
    """The calls that the training loop makes; every one is optional.

    `loop` is the running `Loop`, whose attributes may be replaced.
    """

    def begin(self, loop: Any) -> None:
        """Replace `loop.optimizer`, `loop.lr_at` or `loop.loss`, before a checkpoint is loaded."""

    def started(self, loop: Any) -> None:
        """Act before the first epoch of a fresh training; not called after a resumption."""

    def epoch_begin(self, loop: Any, epoch: int) -> None:
        """Act before the 0-based epoch `epoch` is trained."""

    def after_backward(self, loop: Any) -> None:
        """Act on complete gradients (the L1 term included), before the optimiser's step."""

    def after_step(self, loop: Any) -> None:
        """Act after the optimiser's step, with masks applied."""

    def epoch_trained(self, loop: Any, epoch: int) -> None:
        """Act after the 0-based epoch `epoch` is trained and before it is tested."""

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        """Act after the test of the epoch; return True to end the training."""
        return False

    def state(self) -> Dict[str, Any]:
        """Return the hook's part of a checkpoint: tensors and plain values."""
        return {}

    def load_state(self, state: Dict[str, Any]) -> None:
        """Restore the value of `state()`. Raises an error if it belongs to another network."""


class Hooks(Hook):
    """Several hooks as one, called in order; the first that asks for the end ends the training."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self.hooks = list(hooks)

    def begin(self, loop: Any) -> None:
        """Call `begin` of each hook."""
        for hook in self.hooks:
            hook.begin(loop)

    def started(self, loop: Any) -> None:
        """Call `started` of each hook."""
        for hook in self.hooks:
            hook.started(loop)

    def epoch_begin(self, loop: Any, epoch: int) -> None:
        """Call `epoch_begin` of each hook."""
        for hook in self.hooks:
            hook.epoch_begin(loop, epoch)

    def after_backward(self, loop: Any) -> None:
        """Call `after_backward` of each hook."""
        for hook in self.hooks:
            hook.after_backward(loop)

    def after_step(self, loop: Any) -> None:
        """Call `after_step` of each hook."""
        for hook in self.hooks:
            hook.after_step(loop)

    def epoch_trained(self, loop: Any, epoch: int) -> None:
        """Call `epoch_trained` of each hook."""
        for hook in self.hooks:
            hook.epoch_trained(loop, epoch)

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        """Call `epoch_end` of the hooks until one returns True."""
        return any(hook.epoch_end(loop, epoch, accuracy) for hook in self.hooks)

    def state(self) -> Dict[str, Any]:
        """Return the states by place."""
        return {str(place): hook.state() for place, hook in enumerate(self.hooks)}

    def load_state(self, state: Dict[str, Any]) -> None:
        """Restore the states by place. Raises ValueError for another number of them."""
        if len(state) != len(self.hooks):
            raise ValueError(f"it holds {len(state)} states for {len(self.hooks)} hooks")
        for place, hook in enumerate(self.hooks):
            hook.load_state(state[str(place)])
