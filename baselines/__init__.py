"""Train it: models, data, pruning methods, and the one training loop."""

# name -> "module:attribute". One line makes a method, a model or a data set known to every verb and to the conformance tests.
METHODS = {
    "dense": "baselines.dense:dense",
    "lottery-ticket": "baselines.lottery_ticket:lottery_ticket",
    "snip": "baselines.snip:snip",
    "network-slimming": "baselines.network_slimming:network_slimming",
    "thinet": "baselines.thinet:thinet",
    "eb-train": "baselines.eb_train:eb_train",
    "soft-filter": "baselines.soft_filter:soft_filter",
    "early-winning": "baselines.early_winning:early_winning",
    "swalp": "baselines.swalp:swalp",
}
MODELS = {
    "vgg16": "baselines.models.vgg:Vgg16",
    "preresnet101": "baselines.models.preresnet:PreResNet101",
    "preresnet164": "baselines.models.preresnet:PreResNet164",
    "resnet20": "baselines.models.resnet_cifar:ResNet20",
    "resnet56": "baselines.models.resnet_cifar:ResNet56",
    "resnet18": "baselines.models.resnet:ResNet18",
    "resnet50": "baselines.models.resnet:ResNet50",
    "resnet50-v1": "baselines.models.resnet:ResNet50v1",
}
DATASETS = {
    "digits": "baselines.data:DIGITS",
    "cifar10": "baselines.data:CIFAR10",
    "cifar100": "baselines.data:CIFAR100",
    "imagenet": "baselines.folder:IMAGENET",
}
