"""The interface of a method to the training loop."""

from typing import Any, Callable, Dict, Sequence


class Hook:
    """The calls that the training loop makes; every one is optional.

    `loop` is the running `Loop`, whose attributes may be replaced. `saved` names the hook's own
    attributes that are its part of a checkpoint: tensors and plain values.
    """

    saved: Sequence[str] = ()

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
        """Return the hook's part of a checkpoint."""
        return {name: getattr(self, name) for name in self.saved}

    def load_state(self, state: Dict[str, Any]) -> None:
        """Restore the value of `state()`. Raises an error if it belongs to another network."""
        for name in self.saved:
            setattr(self, name, state[name])


def _each(name: str) -> Callable[..., None]:
    """Return the method `name` of `Hooks`, which calls that of each hook."""

    def call(self: "Hooks", *arguments: Any) -> None:
        for hook in self.hooks:
            getattr(hook, name)(*arguments)

    return call


class Hooks(Hook):
    """Several hooks as one, called in order; the first that asks for the end ends the training."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self.hooks = list(hooks)

    begin, started, epoch_begin = _each("begin"), _each("started"), _each("epoch_begin")
    after_backward, after_step = _each("after_backward"), _each("after_step")
    epoch_trained = _each("epoch_trained")

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
