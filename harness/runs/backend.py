"""The engine's use of `baselines`, which is imported only once something has to be trained."""

import contextlib
import os
from typing import Any, Dict, Iterator

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
        with needs_torch("training"):
            from joulebird.baselines.training.task import task_from
        return task_from(spec)

    def saving(self) -> Saving:
        """Return the writer and reader of checkpoints and results."""
        with needs_torch("reading a result"):
            from joulebird.baselines.training import saving
        return Saving(saving)

    def synchronise(self, device: str) -> None:
        """Wait until the device is idle; nothing to wait for on a CPU."""
        if device.startswith("cuda"):
            with needs_torch("training"):
                from joulebird.baselines.training.task import synchronize
            synchronize(device)


@contextlib.contextmanager
def needs_torch(label: str) -> Iterator[None]:
    """Turn a missing package into the error that names it and its remedy."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_package(label, error.name or "torch") from None
    except ImportError as error:
        raise HarnessError(f"{label}: {error}", "see `joulebird doctor`") from None
