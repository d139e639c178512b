"""What every stage of a run shares: model, data set, width, schedule, seed and device."""

from typing import Any, Dict, NamedTuple, Optional, Sequence

import torch

from joulebird.baselines import DATASETS, MODELS
from joulebird.baselines.training.schedule import Schedule
from joulebird.harness.core import settings
from joulebird.harness.core.errors import SpecError
from joulebird.harness.core.registry import find


class Task(NamedTuple):
    """One training problem. `width` multiplies every layer's channels; `micro_batch` splits a batch that does not fit into memory
    (normalisation statistics are then those of the parts).

    `sparsity` (the weight of the L1 term on normalisation scales) and `prune_ratio` are here for the methods to hand to the stages
    that use them.
    """

    model: str
    dataset: str
    data_dir: Optional[str] = None
    width: float = 1.0
    schedule: Schedule = Schedule()
    sparsity: float = 1e-4
    prune_ratio: float = 0.0
    seed: int = 1
    device: str = "cpu"
    micro_batch: Optional[int] = None
    download: bool = False

    def recipe(self) -> Dict[str, Any]:
        """What of this decides the numbers of every stage; a stage that depends on more is given that explicitly."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "width": self.width,
            "schedule": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in self.schedule._asdict().items()
            },
            "seed": self.seed,
            "device": self.device.partition(":")[0],
            "micro_batch": self.micro_batch,
        }

    def source(self) -> Any:
        """The `DataSet` that is trained on: classes, shapes and counts, nothing loaded."""
        return find(DATASETS, "data set", self.dataset, SpecError)

    def data(self) -> Any:
        """The images and labels on the training device, as a `TensorData`. Raises SpecError when they are not there."""
        options = {"download": True} if self.download else {}
        return self.source().load(self.data_dir, self.device, **options)

    def dense_widths(self) -> Sequence[Any]:
        """The unpruned network's channel widths."""
        return find(MODELS, "model", self.model, SpecError).dense_widths(self.width)

    def build(
        self, widths: Optional[Sequence[Any]] = None, seed: Optional[int] = None
    ) -> torch.nn.Module:
        """A freshly initialised network on the device: the same weights for the same seed, on every device."""
        cls = find(MODELS, "model", self.model, SpecError)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed if seed is None else seed)
            model = cls(self.source().classes, widths or self.dense_widths())
        return model.to(self.device)

    def synchronize(self) -> None:
        """Wait until the device has done what it was given, so that a time stamp means what it says."""
        synchronize(self.device)

    def network(self, result: Dict[str, Any]) -> torch.nn.Module:
        """The network that a stage left behind, {"widths", "state"}, on the device. Raises SpecError when it is another network's."""
        try:
            model = self.build(result["widths"])
            model.load_state_dict(result["state"])
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            if lacks_memory(error):
                raise
            raise SpecError(
                f"these weights do not fit {self.model} with {self.source().classes} classes: {misfit(error)}",
                "they belong to another model, data set or width; name the ones they were trained with",
            ) from error
        return model


def misfit(error: Exception) -> str:
    """What an error says of the saved state that caused it, on one line.

    >>> misfit(KeyError("state")), misfit(RuntimeError("Error(s) in loading state_dict for Vgg16:\\n\\tsize mismatch"))
    ("it has no 'state'", 'size mismatch')
    """
    return (
        f"it has no {error}"
        if isinstance(error, KeyError)
        else (str(error).splitlines() or [type(error).__name__])[-1].strip()
    )


def lacks_memory(error: Exception) -> bool:
    """Whether torch ran out of memory, on a device or on the host."""
    return "out of memory" in str(error) or "allocate memory" in str(error)


def synchronize(device: str) -> None:
    """Wait until `device` has done what it was given; a CPU never lags behind."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def task_from(spec: Dict[str, Any]) -> Task:
    """Return the Task of a spec's plain values; `method` and `options` are ignored.

    Absent fields take their defaults; a device of "auto" is the best one of this machine.
    Raises HarnessError for an unknown field or name, a wrong type or a value out of bounds.
    """
    given = {name: spec[name] for name in spec if name not in ("method", "options")}
    settings.TASK.check(given, "spec")
    values = settings.TASK.typed(given)
    schedule = {name: values.pop(name) for name in Schedule._fields if name in values}
    values["device"] = _device(values.get("device", "auto"))
    task = Task(schedule=Schedule(**schedule), **values)
    find(MODELS, "model", task.model, SpecError)
    find(DATASETS, "data set", task.dataset, SpecError)
    return task


def _device(name: str) -> str:
    """Return the device's name, the best one for "auto". Raises SpecError if torch cannot use it."""
    available = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if available else "cpu"
    if name.startswith("cuda") and not available:
        raise SpecError(
            "this torch finds no CUDA device", "use device cpu, or install a torch built for CUDA"
        )
    return name
