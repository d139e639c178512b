"""Everything that decides a run: a `RunSpec`, resolved, hashable, with a readable id."""

import hashlib
import json
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from joulebird.baselines import DATASETS, METHODS, MODELS
from joulebird.harness.core import files, jsonfile, registry, settings
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.runs.options import resolve_options

EXAMPLE = "a spec is one JSON object, or a list of them; see `joulebird run --help`"
TABLES = {"method": METHODS, "model": MODELS, "dataset": DATASETS}


class RunSpec(NamedTuple):
    """One method at one pruning ratio in one setting and seed, with everything resolved.

    `settings.SPEC` has the meaning of each field; `options` are all options of the method.
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
        """Return method, model, data set, ratio, seed and six digits of the hash of the whole.

        >>> RunSpec("eb-train", "vgg16", "cifar10", 0.5).id
        'eb-train-vgg16-cifar10-p50-s1-406977'
        """
        names = [files.slug(name) for name in (self.method, self.model, self.dataset)]
        numbers = [f"p{round(100 * self.prune_ratio, 4):g}", f"s{self.seed}"]
        return "-".join(names + numbers + [digest(self.to_dict(), 6)])

    def to_dict(self) -> Dict[str, Any]:
        """Return the spec as JSON values, as in spec.json."""
        return dict(
            self._asdict(),
            milestones=list(self.milestones),
            options=jsonfile.plain(dict(self.options)),
        )


def read_specs(path: str) -> List[RunSpec]:
    """Return the runs of a spec file (JSON). Raises HarnessError that names file and field."""
    data = jsonfile.load(path, EXAMPLE)
    if data == []:
        raise HarnessError(f"{path}: holds no run", EXAMPLE)
    if isinstance(data, list):
        return [from_dict(run, f"{path}, run {number}") for number, run in enumerate(data, 1)]
    return [from_dict(data, path)]


def from_dict(data: Any, where: str = "spec") -> RunSpec:
    """Return the checked RunSpec of JSON values; `where` names the file in errors.

    Raises HarnessError that names the field: unknown (with the nearest), missing, of the wrong type
    or out of bounds; an unknown method, model or data set; an unknown option of the method.
    """
    settings.SPEC.check(data, where)
    path, *_ = [find_name(kind, data[kind], where) for kind in ("method", "model", "dataset")]
    return resolved(
        data,
        resolve_options(path, data.get("options", {}), f"{where}, options of {data['method']}"),
    )


def resolved(values: Dict[str, Any], options: Dict[str, Any]) -> RunSpec:
    """Return the RunSpec of checked values and all options of its method."""
    fields = settings.SPEC.typed(values)
    epochs: int = dict(RunSpec._field_defaults, **fields)["epochs"]
    fields.setdefault("milestones", default_milestones(epochs))
    frozen = {key: tuple(item) for key, item in options.items() if isinstance(item, list)}
    fields["options"] = tuple(sorted(dict(options, **frozen).items()))
    return RunSpec(**fields)


def find_name(kind: str, name: str, where: str) -> str:
    """Return the dotted path of a method, model or data set; the error names the place."""
    try:
        return registry.dotted(TABLES[kind], kind, name)
    except HarnessError as error:
        raise HarnessError(f"{where}: {error.message}", error.hint) from None


def default_milestones(epochs: int) -> Tuple[int, ...]:
    """Return half and three quarters of a training.

    >>> default_milestones(160)
    (80, 120)
    """
    return tuple(sorted({epochs // 2, epochs * 3 // 4} - {0}))


def digest(value: Any, length: int) -> str:
    """Return the first digits of the SHA-256 of a value's canonical JSON.

    >>> digest({"b": 1, "a": 2}, 6) == digest({"a": 2, "b": 1}, 6)
    True
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:length]
