"""What decides a run, and nothing else: a `RunSpec`, resolved, hashable, with a readable id."""

import hashlib
import json
import re
from typing import Any, Dict, NamedTuple, Optional, Tuple

from joulebird.harness import registries
from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.records import check_format
from joulebird.harness.runs.options import is_kind, resolve_options


class RunSpec(NamedTuple):
    """One method at one pruning ratio in one setting and seed, with everything resolved.

    `prune_ratio` is the share of channels (or weights) taken away, 0 up to below 1; `width` multiplies every layer's channels;
    `milestones` are 0-based epochs at whose start the learning rate is multiplied by `gamma`;
    `sparsity` weighs the L1 term on batch-norm scales; `micro_batch` splits a batch that does not fit into memory; `options` are the
    method's own, all of them.
    """

    method: str
    model: str
    dataset: str
    prune_ratio: float
    seed: int = 1
    width: float = 1.0
    device: str = "auto"
    epochs: int = 160
    batch: int = 256
    lr: float = 0.1
    milestones: Tuple[int, ...] = (80, 120)
    gamma: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    sparsity: float = 1e-4
    micro_batch: Optional[int] = None
    options: Tuple[Tuple[str, Any], ...] = ()

    @property
    def id(self) -> str:
        """Readable and unique: method, model, data set, ratio, seed and six digits of the hash of the whole.

        >>> RunSpec("eb-train", "vgg16", "cifar10", 0.5).id
        'eb-train-vgg16-cifar10-p50-s1-406977'
        """
        words = [
            slug(self.method),
            slug(self.model),
            slug(self.dataset),
            f"p{round(100 * self.prune_ratio, 4):g}",
            "s%d" % self.seed,
        ]
        return "-".join(words + [digest(self.to_dict(), 6)])

    def to_dict(self) -> Dict[str, Any]:
        """The spec as JSON values: what spec.json holds and what a board is sent."""
        return dict(
            self._asdict(),
            milestones=list(self.milestones),
            options={name: _plain(value) for name, value in self.options},
        )


# field -> its plain type; the rest of the fields are checked one by one
KINDS = {
    "method": str,
    "model": str,
    "dataset": str,
    "prune_ratio": float,
    "seed": int,
    "width": float,
    "device": str,
    "epochs": int,
    "batch": int,
    "lr": float,
    "gamma": float,
    "momentum": float,
    "weight_decay": float,
    "sparsity": float,
    "micro_batch": int,
}
# field -> (test, what it must be)
RANGES = {
    "prune_ratio": (lambda value: 0 <= value < 1, "at least 0 (dense) and below 1"),
    "seed": (lambda value: 0 <= value < 2**31, "from 0 to 2147483647"),
    "width": (lambda value: 0 < value <= 8, "above 0, at most 8"),
    "epochs": (lambda value: value >= 1, "at least 1"),
    "batch": (lambda value: value >= 1, "at least 1"),
    "lr": (lambda value: value > 0, "above 0"),
    "gamma": (lambda value: 0 < value <= 1, "above 0, at most 1"),
    "momentum": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
    "weight_decay": (lambda value: value >= 0, "at least 0"),
    "sparsity": (lambda value: value >= 0, "at least 0"),
    "micro_batch": (lambda value: value >= 1, "at least 1"),
    "device": (
        lambda value: re.match(r"(auto|cpu|cuda(:\d+)?)$", value),
        'one of "auto", "cpu", "cuda", "cuda:0"',
    ),
}


def from_dict(data: Any, where: str = "spec") -> RunSpec:
    """A checked RunSpec from a dict of JSON values; `where` names the file or table in errors.

    Raises HarnessError that names the field: unknown (with the nearest), missing, of the wrong type or out of range; an unknown method,
    model or data set; an unknown option of the method.
    """
    if not isinstance(data, dict):
        raise HarnessError(
            f"{where}: a run is a table of fields, not {data!r}",
            "see `joulebird run --help` for an example",
        )
    for name in data:
        if name not in RunSpec._fields and name != "format":
            raise HarnessError(
                f"{where}: unknown field {name!r}", registry.nearest(name, RunSpec._fields)
            )
    if "format" in data:
        check_format(data["format"], where)
    for name in RunSpec._fields[:4]:
        if name not in data:
            raise HarnessError(
                f"{where}: lacks the field {name!r}",
                "a run needs method, model, dataset and prune_ratio",
            )
    values = {name: check_field(name, data[name], where) for name in KINDS if name in data}
    epochs = values.get("epochs", RunSpec._field_defaults["epochs"])
    values["milestones"] = check_milestones(data.get("milestones"), epochs, where)
    for kind in ("method", "model", "dataset"):
        check_name(kind, values[kind], where)
    path = registries.dotted("method", values["method"])
    given = data.get("options", {})
    if not isinstance(given, dict):
        raise HarnessError(
            f"{where}: options must be a table, not {given!r}", 'write {"epsilon": 0.1}'
        )
    options = resolve_options(path, given, "{}, options of {}".format(where, values["method"]))
    values["options"] = tuple(sorted((name, _frozen(value)) for name, value in options.items()))
    return RunSpec(**values)


def check_name(kind: str, name: str, where: str) -> None:
    """Raise HarnessError, which names the place, when there is no such method, model or data set."""
    try:
        registries.dotted(kind, name)
    except HarnessError as error:
        raise HarnessError(f"{where}: {error.message}", error.hint) from None


def check_field(name: str, value: Any, where: str) -> Any:
    """One field in its own type and range; raises HarnessError that names it.

    >>> check_field("lr", 1, "study.toml")
    1.0
    """
    kind = KINDS[name]
    if value is None and name == "micro_batch":
        return None
    if not is_kind(value, kind):
        raise HarnessError(
            f"{where}: {name} must be {_article(kind)}, not {value!r}", _example(name)
        )
    if name in RANGES and not RANGES[name][0](value):
        raise HarnessError(
            f"{where}: {name} must be {RANGES[name][1]}, not {value!r}", _example(name)
        )
    return kind(value)


def check_milestones(value: Optional[Any], epochs: int, where: str) -> Tuple[int, ...]:
    """The epochs at which the learning rate falls; half and three quarters of the training unless given (80 and 120 of 160).

    >>> check_milestones(None, 160, "")
    (80, 120)
    """
    if value is None:
        return tuple(sorted({epochs // 2, epochs * 3 // 4} - {0}))
    if not isinstance(value, (list, tuple)) or not all(
        is_kind(one, int) and one >= 0 for one in value
    ):
        raise HarnessError(
            f"{where}: milestones must be a list of epochs, not {value!r}",
            "for instance [80, 120]",
        )
    if list(value) != sorted(set(value)):
        raise HarnessError(
            f"{where}: milestones must increase, not {list(value)!r}", "for instance [80, 120]"
        )
    return tuple(value)


def digest(value: Any, length: int) -> str:
    """The first digits of the SHA-256 of a value's canonical JSON: sorted keys, no blanks.

    >>> digest({"b": 1, "a": 2}, 6) == digest({"a": 2, "b": 1}, 6)
    True
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:length]


def slug(name: str) -> str:
    """A name that is safe in a file name.

    >>> slug("mylab.methods:Fluke")
    'mylab-methods-Fluke'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _article(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}[kind]


def _example(name: str) -> str:
    default = RunSpec._field_defaults.get(name)
    return (
        f"default: {default}"
        if default is not None
        else "for instance 0.5"
        if name == "prune_ratio"
        else ""
    )
