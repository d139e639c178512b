"""Name the methods and settings of runs as the papers do, and order a table's rows."""

from collections.abc import Iterable
from typing import Any

from joulebird.reports.runs.names import DATASETS, METHODS, MODELS, ORDER
from joulebird.reports.runs.records import FULL, FinishedRun

SETTING_FIELDS = (
    "model",
    "dataset",
    "width",
    "epochs",
    "batch",
    "micro_batch",
    "lr",
    "milestones",
    "gamma",
    "momentum",
    "weight_decay",
    "sparsity",
)

Key = tuple[Any, ...]


def method_label(method: str, options: dict[str, Any]) -> str:
    """Return the paper's name of a method with these options.

    >>> method_label("lottery-ticket", {"rounds": 1})
    'LT (one-shot)'
    >>> method_label("eb-train", {"weights": "reinit"})
    'EB Train (re-init)'
    >>> method_label("eb-train", {"search_precision": "wage8", "draw_at": 10})
    'EB Train (LF; drawn at 10)'
    """
    name, marks = METHODS.get(method, method), ""
    if method == "lottery-ticket":
        rounds = options.get("rounds", 1)
        marks = "one-shot" if rounds == 1 else f"{rounds} rounds"
    elif method == "eb-train":
        drawn = f"drawn at {options['draw_at']}" if options.get("draw_at") else ""
        marks = "; ".join(filter(None, (_variant(options), drawn)))
    return f"{name} ({marks})" if marks else name


def _variant(options: dict[str, Any]) -> str:
    """Return the mark in brackets behind EB Train in the paper's Table 2."""
    low = [options.get(f"{phase}_precision", FULL) != FULL for phase in ("search", "retrain")]
    if any(low):
        return "".join("L" if phase else "F" for phase in low)
    return {"reinit": "re-init", "rewind": "rewind"}.get(options.get("weights", ""), "")


def is_early_bird(label: str) -> bool:
    """Return whether a row is EB Train or one of its variants."""
    return label.startswith("EB Train")


def method_labels(runs: Iterable[FinishedRun]) -> dict[Key, str]:
    """Return a label for each distinct (method, options).

    Rows of one name get the options that set them apart.
    """
    labels: dict[Key, str] = {}
    for run in runs:
        labels.setdefault(method_key(run), method_label(run.spec["method"], run.options))
    for label in set(labels.values()):
        twins = [key for key in labels if labels[key] == label]
        shared = set.intersection(*(set(options) for _, options in twins))
        varying = {name for _, options in twins for name, _ in set(options) - shared}
        for key in twins if len(twins) > 1 else ():
            marks = ", ".join(f"{name}={value}" for name, value in key[1] if name in varying)
            labels[key] = f"{label[:-1]}; {marks})" if label.endswith(")") else f"{label} ({marks})"
    return labels


def method_key(run: FinishedRun) -> Key:
    """Return the identity of a row: the method and its options."""
    options = sorted((name, _frozen(value)) for name, value in run.options.items())
    return run.spec["method"], tuple(options)


def order_of(label: str) -> tuple[int, str]:
    """Return a key that sorts labels in the paper's order; unknown ones come last, by name."""
    exact = [i for i, name in enumerate(ORDER) if label == name]
    close = [i for i, name in enumerate(ORDER) if label.startswith(name.rstrip(")"))]
    return (exact or close[-1:] or [len(ORDER)])[0], label


def setting_key(run: FinishedRun) -> Key:
    """Return the identity of a block of a table: the spec without method, ratio and seed."""
    return tuple(_frozen(run.spec.get(name)) for name in SETTING_FIELDS)


def setting_labels(runs: Iterable[FinishedRun]) -> dict[Key, str]:
    """Return a label for each distinct setting: model, data set, and the fields that vary."""
    keys = list(dict.fromkeys(setting_key(run) for run in runs))
    labels = {}
    for key in keys:
        model, dataset = key[:2]
        twins = [other for other in keys if other[:2] == key[:2]]
        marks = [
            f", {field} {_shown(value)}"
            for field, value, values in zip(SETTING_FIELDS, key, zip(*twins), strict=True)
            if len(set(values)) > 1 or (field == "width" and value not in (1, None))
        ]
        name = f"{MODELS.get(model, model)}/{DATASETS.get(dataset, dataset)}"
        labels[key] = name + "".join(marks)
    return labels


def ratio_label(ratio: float) -> str:
    """Return a column's heading.

    >>> ratio_label(0.3)
    'p=30%'
    """
    return f"p={percent(ratio)}"


def percent(ratio: float) -> str:
    """Return a pruning ratio in percent.

    >>> percent(0.3)
    '30%'
    """
    return f"{100 * ratio:g}%"


def _shown(value: Any) -> str:
    joined = "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"{value:g}" if isinstance(value, float) else joined


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
