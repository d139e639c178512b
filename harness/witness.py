"""What happens to a Jetson while a stage is measured: throttling, mode changes, swapping, a sagging supply."""
from typing import Any, Dict, List, Tuple

from harness.registry import resolve

Warnings = List[Tuple[str, Dict[str, Any]]]


class Witness:
    """`poll` at every epoch's end gives new warnings (names of `harness.warnings_table`, and facts). Elsewhere than on a Jetson: none.

    Looking never harms the training: a file that cannot be read ends the looking, and that is told too.
    """

    def __init__(self, root: str = "/") -> None:
        """`root` is where /proc and /sys are looked for."""
        self._inner = None                              # type: Any
        self._failure = []                              # type: Warnings
        if resolve("devices.identify:identify")(root)["jetson"]:
            try:
                self._inner = resolve("devices.health:Witness")(resolve("devices.health_read:Health")(root))
            except Exception as error:
                self._failure = [("health_unknown", {"reason": str(error) or type(error).__name__})]

    def poll(self) -> Warnings:
        """The warnings that were not given before."""
        if self._inner is None:
            failure, self._failure = self._failure, []
            return failure
        try:
            return self._inner.poll()
        except Exception as error:
            self._inner = None
            return [("health_unknown", {"reason": str(error) or type(error).__name__})]
