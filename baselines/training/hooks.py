"""What a method may do inside the training loop."""

from typing import Any, Dict, Sequence


class Watch:
    """What a method may do inside the loop. Every step is optional; `loop` is the running `Loop`, whose attributes may be replaced."""

    def begin(self, loop: Any) -> None:
        """Network and optimiser exist; a resumed state is put in afterwards. Replace `loop.optimizer`, `loop.lr_at`, `loop.loss` here."""

    def started(self, loop: Any) -> None:
        """Training starts afresh, before the first epoch; not called when a checkpoint is resumed."""

    def epoch_begin(self, loop: Any, epoch: int) -> None:
        """The 0-based epoch `epoch` is about to be trained."""

    def after_backward(self, loop: Any) -> None:
        """Gradients are complete (the L1 term included), the optimiser has not stepped."""

    def after_step(self, loop: Any) -> None:
        """The optimiser has stepped and masks are applied."""

    def epoch_trained(self, loop: Any, epoch: int) -> None:
        """The 0-based epoch `epoch` is trained, not yet tested."""

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        """The epoch is tested; true ends the training here."""
        return False

    def state(self) -> Dict[str, Any]:
        """What a checkpoint must hold of this: tensors and plain values."""
        return {}

    def load_state(self, state: Dict[str, Any]) -> None:
        """Take back what `state()` gave. Raises an error (KeyError, TypeError, ValueError, ...) when it is another network's."""


class Watches(Watch):
    """Several watches as one, called in order; the training ends as soon as one of them says so."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self.watches = list(watches)

    def begin(self, loop: Any) -> None:
        for watch in self.watches:
            watch.begin(loop)

    def started(self, loop: Any) -> None:
        for watch in self.watches:
            watch.started(loop)

    def epoch_begin(self, loop: Any, epoch: int) -> None:
        for watch in self.watches:
            watch.epoch_begin(loop, epoch)

    def after_backward(self, loop: Any) -> None:
        for watch in self.watches:
            watch.after_backward(loop)

    def after_step(self, loop: Any) -> None:
        for watch in self.watches:
            watch.after_step(loop)

    def epoch_trained(self, loop: Any, epoch: int) -> None:
        for watch in self.watches:
            watch.epoch_trained(loop, epoch)

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        return any(watch.epoch_end(loop, epoch, accuracy) for watch in self.watches)

    def state(self) -> Dict[str, Any]:
        return {str(place): watch.state() for place, watch in enumerate(self.watches)}

    def load_state(self, state: Dict[str, Any]) -> None:
        if len(state) != len(self.watches):
            raise ValueError(
                f"it holds {len(state)} states for {len(self.watches)} watches of the training"
            )
        for place, watch in enumerate(self.watches):
            watch.load_state(state[str(place)])
