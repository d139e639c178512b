"""What every stage of a run shares: model, data set, width, schedule, seed and device."""

from typing import Any, Dict, NamedTuple, Optional, Sequence

import torch

from joulebird.baselines import DATASETS, MODELS
from joulebird.baselines.training.schedule import Schedule
from joulebird.harness.core.errors import SpecError
from joulebird.harness.core.registry import find, nearest


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


# field -> (types it may have, what to say when it is something else)
_COUNT, _SHARE = "a whole number of at least 1", "a number from 0 up to, not including, 1"
_FIELDS = {
    "model": ((str,), "a model's name"),
    "dataset": ((str,), "a data set's name"),
    "data_dir": ((str, type(None)), "a folder"),
    "download": ((bool,), "true or false"),
    "width": ((int, float), "a number above 0"),
    "prune_ratio": ((int, float), _SHARE),
    "seed": ((int,), "a whole number"),
    "device": ((str,), "auto, cpu, cuda or cuda:N"),
    "micro_batch": ((int, type(None)), _COUNT),
    "sparsity": ((int, float), "a number of at least 0"),
    "epochs": ((int,), _COUNT),
    "milestones": ((list, tuple), "a list of epochs"),
    "gamma": ((int, float), "a number above 0"),
    "lr": ((int, float), "a number above 0"),
    "batch": ((int,), _COUNT),
    "momentum": ((int, float), _SHARE),
    "weight_decay": ((int, float), "a number of at least 0"),
}
_SCHEDULE = ("epochs", "milestones", "gamma", "lr", "momentum", "weight_decay", "batch")
_RANGES = {
    "width": lambda x: 0 < x < float("inf"),
    "prune_ratio": lambda x: 0 <= x < 1,
    "epochs": lambda x: x >= 1,
    "lr": lambda x: x > 0,
    "batch": lambda x: x >= 1,
    "momentum": lambda x: 0 <= x < 1,
    "weight_decay": lambda x: x >= 0,
    "sparsity": lambda x: x >= 0,
    "micro_batch": lambda x: x is None or x >= 1,
    "gamma": lambda x: x > 0,
    "milestones": lambda x: all(isinstance(epoch, int) and epoch >= 0 for epoch in x),
}


def task_from(spec: Dict[str, Any]) -> Task:
    """A checked Task from a spec's plain values; `method` and `options` are not its business.

    What is absent takes the default, and a device of "auto" is the best one here.
    Raises SpecError, with what to write instead, for an unknown key or name, a wrong type or a value out of range.
    """
    values = {key: value for key, value in spec.items() if key not in ("method", "options")}
    for key, value in values.items():
        _check(key, value)
    for key in ("model", "dataset"):
        if key not in values:
            raise SpecError(
                f"the spec names no {key}",
                f"add {key}, for example " + ("vgg16" if key == "model" else "digits"),
            )
    schedule = Schedule(**{key: _plain(values.pop(key)) for key in _SCHEDULE if key in values})
    values["device"] = _device(values.get("device", "auto"))
    task = Task(schedule=schedule, **values)
    find(MODELS, "model", task.model, SpecError)
    find(DATASETS, "data set", task.dataset, SpecError)
    return task


def _check(key: str, value: Any) -> None:
    if key not in _FIELDS:
        raise SpecError(f"a spec has no {key!r}", nearest(key, _FIELDS))
    types, wanted = _FIELDS[key]
    good = isinstance(value, types) and (not isinstance(value, bool) or types == (bool,))
    if not good or (key in _RANGES and not _RANGES[key](value)):
        raise SpecError(f"{key} is {value!r}", f"it must be {wanted}")


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _device(name: str) -> str:
    """The device's name, the best one for "auto"; raises SpecError when torch cannot use it."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise SpecError(f"device is {name!r}", "it must be auto, cpu, cuda or cuda:N")
    if kind == "cuda" and not torch.cuda.is_available():
        raise SpecError(
            "this torch finds no CUDA device", "use device cpu, or install a torch built for CUDA"
        )
    return name
