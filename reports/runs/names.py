"""The papers' names of models, data sets and methods, and the order of a table's rows."""

from typing import Any

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
    low = [options.get(f"{phase}_precision", "fp32") != "fp32" for phase in ("search", "retrain")]
    if low[0]:
        return "LL" if low[1] else "LF"
    return {"reinit": "re-init", "rewind": "rewind"}.get(options.get("weights", ""), "")
