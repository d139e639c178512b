"""The papers' names of models, data sets and methods, and the order of a table's rows."""

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
