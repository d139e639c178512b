"""What the engine asks of `baselines`, imported by name and only once something has to be trained."""

import os
from typing import Any, Dict

from joulebird.harness.core.registry import import_module
from joulebird.harness.runs.checkpoints import Saving


class Backend:
    """Tasks, saved dicts and device synchronisation of `baselines`; tests put an object of the same shape in its place."""

    def task_from(self, spec: Dict[str, Any]) -> Any:
        """The Task of a spec's dict. Raises HarnessError when torch is not installed, SpecError when the spec cannot be trained."""
        # OpenMP's threads otherwise spin while they wait: beside any other process that made a training two to four times slower, and
        # on a board it burns joules for nothing. Read once, when torch is imported; the user's own setting stands.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        return import_module("joulebird.baselines.training.task", "training").task_from(spec)

    def saving(self) -> Saving:
        """Writes and reads checkpoints and results."""
        return Saving(import_module("joulebird.baselines.training.saving", "reading a result"))

    def synchronise(self, device: str) -> None:
        """Wait until the device has done what it was given; nothing to wait for on a CPU."""
        if device.startswith("cuda"):
            import_module("joulebird.baselines.training.task", "training").synchronize(device)
