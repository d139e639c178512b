"""The facts that every stage of a run shares: model, data set, width, schedule, seed, device."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch

from joulebird.baselines import DATASETS, MODELS
from joulebird.baselines.models.base import Prunable
from joulebird.harness.core import settings
from joulebird.harness.core.errors import SpecError
from joulebird.harness.core.registry import find

Result = Dict[str, Any]  # of a stage, as it is saved: tensors and plain values
# the errors that the saved state of another network can cause
MISFITS = (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError)


class Schedule(NamedTuple):
    """SGD with a step schedule; the defaults are those of the Early-Bird paper's Table 2 on CIFAR.

    `milestones` are 0-based epochs at whose start the rate is multiplied by `gamma`; `weight_decay`
    acts on all parameters.
    """

    epochs: int = 160
    milestones: Tuple[int, ...] = (80, 120)
    gamma: float = 0.1
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    batch: int = 256

    def lr_at(self, epoch: int) -> float:
        """Return the learning rate of a 0-based epoch.

        >>> [round(Schedule().lr_at(epoch), 9) for epoch in (0, 79, 80, 119, 120, 159)]
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
        """
        return self.lr * self.gamma ** sum(epoch >= milestone for milestone in self.milestones)

    def sgd(self) -> Dict[str, Any]:
        """Return the options of torch's SGD."""
        return {"lr": self.lr, "momentum": self.momentum, "weight_decay": self.weight_decay}


class Task(NamedTuple):
    """One training problem. `width` multiplies every layer's channels.

    `micro_batch` splits a batch that does not fit into memory; normalisation statistics are then
    those of the parts. Methods hand `sparsity` (the weight of the L1 term on normalisation scales)
    and `prune_ratio` to the stages that use them.
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

    @property
    def test_batch(self) -> int:
        """The number of images that are tested at once."""
        return self.micro_batch or self.schedule.batch

    def recipe(self) -> Dict[str, Any]:
        """Return the fields that every stage depends on; the others are inputs of some stages."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "width": self.width,
            "schedule": dict(self.schedule._asdict(), milestones=list(self.schedule.milestones)),
            "seed": self.seed,
            "device": self.device.partition(":")[0],
            "micro_batch": self.micro_batch,
        }

    def source(self) -> Any:
        """Return the `DataSet`: classes, shape and counts, with nothing loaded."""
        return find(DATASETS, "data set", self.dataset, SpecError)

    def data(self) -> Any:
        """Load the `TensorData` onto the training device. Raises SpecError if it is missing."""
        options = {"download": True} if self.download else {}
        return self.source().load(self.data_dir, self.device, **options)

    def dense_widths(self) -> List[Any]:
        """Return the unpruned network's channel widths."""
        return list(find(MODELS, "model", self.model, SpecError).dense_widths(self.width))

    def build(self, widths: Optional[Sequence[Any]] = None, seed: Optional[int] = None) -> Prunable:
        """Build a network with initial weights that depend on the seed and not on the device."""
        cls = find(MODELS, "model", self.model, SpecError)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed if seed is None else seed)
            model: Prunable = cls(self.source().classes, widths or self.dense_widths())
        return model.to(self.device)

    def network(self, result: Result) -> Prunable:
        """Build the network of a stage's result. Raises SpecError if it is another network's."""
        try:
            model = self.build(result["widths"])
            model.load_state_dict(result["state"])
        except MISFITS as error:
            if lacks_memory(error):
                raise
            raise SpecError(
                f"these weights do not fit {self.model} with {self.source().classes} classes: "
                f"{misfit(error)}",
                "they belong to another model, data set or width; name the original ones",
            ) from error
        return model


def misfit(error: Exception) -> str:
    r"""Return the fault of a saved state on one line.

    >>> misfit(KeyError("state")), misfit(RuntimeError("Error(s) in Vgg16:\n\tsize mismatch"))
    ("it has no 'state'", 'size mismatch')
    """
    lines = str(error).splitlines() or [type(error).__name__]
    return f"it has no {error}" if isinstance(error, KeyError) else lines[-1].strip()


def lacks_memory(error: Exception) -> bool:
    """Return whether torch ran out of memory, on a device or on the host."""
    return "out of memory" in str(error) or "allocate memory" in str(error)


def smallest_part(images: int, batch: int, micro_batch: Optional[int] = None) -> int:
    """Return the images of the smallest part of an epoch, in batches and their micro-batches.

    >>> smallest_part(1442, 256), smallest_part(1442, 131), smallest_part(512, 256, 5)
    (162, 1, 1)
    """
    sizes = {min(batch, images), images % batch or min(batch, images)}
    if micro_batch:
        sizes = {
            size % micro_batch or micro_batch if size > micro_batch else size for size in sizes
        }
    return min(sizes)


def synchronize(device: str) -> None:
    """Wait until `device` is idle, so that a time stamp is the end of the work; a CPU always is."""
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
    available = torch.cuda.is_available()
    if values.setdefault("device", "auto") == "auto":
        values["device"] = "cuda" if available else "cpu"
    elif values["device"].startswith("cuda") and not available:
        raise SpecError(
            "this torch finds no CUDA device", "use device cpu, or install a torch built for CUDA"
        )
    task = Task(schedule=Schedule(**schedule), **values)
    for table, kind, name, needed in (
        (MODELS, "model", task.model, "dense_widths"),
        (DATASETS, "data set", task.dataset, "shape"),
    ):
        if not hasattr(find(table, kind, name, SpecError), needed):
            raise SpecError(f"{name} is no {kind}: it has no {needed}", "see CONTRIBUTING.md")
    return task
