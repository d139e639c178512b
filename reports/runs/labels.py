"""What the papers call a method, a model, a data set and a setting; and the order of a table's rows."""

from collections.abc import Iterable

from joulebird.reports.runs.records import Run

MODELS = {
    "vgg16": "VGG16",
    "preresnet101": "PreResNet-101",
    "preresnet164": "PreResNet-164",
    "resnet18": "ResNet18",
    "resnet50": "ResNet50",
    "resnet50-v1": "ResNet50-v1",
    "resnet20": "ResNet20",
    "resnet56": "ResNet56",
}
DATASETS = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "imagenet": "ImageNet",
    "digits": "digits",
}
METHODS = {
    "dense": "Dense",
    "lottery-ticket": "LT",
    "snip": "SNIP",
    "network-slimming": "NS",
    "thinet": "ThiNet",
    "soft-filter": "SFP",
    "eb-train": "EB Train",
    "early-winning": "Early winning",
    "swalp": "SWALP",
}
ORDER = (
    "Dense",
    "SWALP",
    "LT (one-shot)",
    "LT",
    "SNIP",
    "NS",
    "ThiNet",
    "SFP",
    "EB Train (re-init)",
    "EB Train (rewind)",
    "EB Train",
    "EB Train (LF)",
    "EB Train (LL)",
)
BASELINES = ("LT (one-shot)", "SNIP", "NS", "ThiNet")  # the four competitors of the paper's Table 2
SETTING_FIELDS = (
    "model",
    "dataset",
    "width",
    "epochs",
    "batch",
    "lr",
    "milestones",
    "gamma",
    "momentum",
    "weight_decay",
    "sparsity",
)


def method_label(method: str, options: dict) -> str:
    """The paper's name of a method with these options.

    >>> method_label("lottery-ticket", {"rounds": 1}), method_label("eb-train", {"weights": "reinit"})
    ('LT (one-shot)', 'EB Train (re-init)')
    >>> method_label("eb-train", {"search_precision": "wage8", "draw_at": 10})
    'EB Train (LF; drawn at 10)'
    """
    name = METHODS.get(method, method)
    if method == "lottery-ticket":
        rounds = options.get("rounds", 1)
        return "LT (one-shot)" if rounds == 1 else f"LT ({rounds} rounds)"
    if method == "eb-train":
        variant = _variant(options)
        drawn = f"drawn at {options['draw_at']}" if options.get("draw_at") else ""
        return f"{name} ({'; '.join(filter(None, (variant, drawn)))})" if variant or drawn else name
    return name


def _variant(options: dict) -> str:
    """What stands in brackets behind EB Train in the paper's Table 2."""
    low = [options.get(f"{phase}_precision", "fp32") != "fp32" for phase in ("search", "retrain")]
    if low[0]:
        return "LL" if low[1] else "LF"
    return {"reinit": "re-init", "rewind": "rewind"}.get(options.get("weights", ""), "")


def is_early_bird(label: str) -> bool:
    """Whether a row is EB Train or one of its variants."""
    return label.startswith("EB Train")


def method_labels(runs: Iterable[Run]) -> dict[tuple, str]:
    """A label for each distinct (method, options); options that set rows of one name apart are added to it."""
    found: dict[tuple, str] = {}
    for run in runs:
        found.setdefault(method_key(run), method_label(run.spec["method"], run.options))
    for label in set(found.values()):
        same = [key for key in found if found[key] == label]
        if len(same) > 1:
            varying = sorted(
                {
                    name
                    for key in same
                    for name, value in key[1]
                    if any((name, value) not in other[1] for other in same)
                }
            )
            for key in same:
                chosen = ", ".join(f"{name}={value}" for name, value in key[1] if name in varying)
                found[key] = (
                    f"{label[:-1]}; {chosen})" if label.endswith(")") else f"{label} ({chosen})"
                )
    return found


def method_key(run: Run) -> tuple:
    """What tells one row from another: the method and its options."""
    return run.spec["method"], tuple(
        sorted((name, _frozen(value)) for name, value in run.options.items())
    )


def order_of(label: str) -> tuple:
    """Sorts labels in the paper's order; unknown ones come last, by name."""
    exact = [i for i, name in enumerate(ORDER) if label == name]
    close = [i for i, name in enumerate(ORDER) if label.startswith(name.rstrip(")"))]
    return (exact or close[-1:] or [len(ORDER)])[0], label


def setting_key(run: Run) -> tuple:
    """What tells one block of a table from another: everything of the spec that the method, ratio and seed are compared under."""
    return tuple(_frozen(run.spec.get(name)) for name in SETTING_FIELDS)


def setting_labels(runs: Iterable[Run]) -> dict[tuple, str]:
    """A label for each distinct setting: model and data set, and whatever else sets settings of one name apart."""
    keys = list(dict.fromkeys(setting_key(run) for run in runs))
    labels = {}
    for key in keys:
        facts = dict(zip(SETTING_FIELDS, key, strict=True))
        name = f"{MODELS.get(facts['model'], facts['model'])}/{DATASETS.get(facts['dataset'], facts['dataset'])}"
        twins = [
            dict(zip(SETTING_FIELDS, other, strict=True)) for other in keys if other[:2] == key[:2]
        ]
        apart = [
            field
            for field in SETTING_FIELDS[2:]
            if len({twin[field] for twin in twins}) > 1
            or (field == "width" and facts[field] not in (1, None))
        ]
        labels[key] = name + "".join(f", {field} {_shown(facts[field])}" for field in apart)
    return labels


def ratio_label(ratio: float) -> str:
    """A column's heading.

    >>> ratio_label(0.3)
    'p=30%'
    """
    return f"p={100 * ratio:g}%"


def _shown(value) -> str:
    return (
        "-".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value
