"""The engine's use of `baselines`, which is imported only once something has to be trained."""

import os
from typing import Any, Dict

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import missing_package
from joulebird.harness.runs.checkpoints import Saving


class Backend:
    """Tasks, saved dicts and device synchronisation of `baselines`; tests bring their own."""

    def task_from(self, spec: Dict[str, Any]) -> Any:
        """Return the Task of a spec's dict.

        Raises HarnessError without torch, SpecError when the spec cannot be trained.
        """
        # OpenMP's threads otherwise spin while they wait: beside another process a training took
        # two to four times longer, and on a board it burns joules for nothing. torch reads this
        # once, when it is imported; the user's own setting stands.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        return _training().task.task_from(spec)

    def saving(self) -> Saving:
        """Return the writer and reader of checkpoints and results."""
        return Saving(_training().saving)

    def synchronise(self, device: str) -> None:
        """Wait until the device is idle; nothing to wait for on a CPU."""
        if device.startswith("cuda"):
            _training().task.synchronize(device)


def _training() -> Any:
    """Return `baselines.training`; raises HarnessError with the remedy when torch is missing."""
    try:
        from joulebird.baselines import training
        from joulebird.baselines.training import saving, task  # noqa: F401 - loads them
    except ModuleNotFoundError as error:
        raise missing_package("training", error.name or "torch") from None
    except ImportError as error:
        raise HarnessError(f"training: {error}", "see `joulebird doctor`") from None
    return training
