"""Train it: models, data, pruning methods, and the one training loop."""

# name -> "module:attribute"; a line makes a thing known to every verb and to the conformance tests
METHODS = {
    "dense": "joulebird.baselines.methods.dense:dense",
    "lottery-ticket": "joulebird.baselines.methods.lottery_ticket:lottery_ticket",
    "snip": "joulebird.baselines.methods.snip:snip",
    "network-slimming": "joulebird.baselines.methods.network_slimming:network_slimming",
    "thinet": "joulebird.baselines.methods.thinet:thinet",
    "eb-train": "joulebird.baselines.methods.eb_train:eb_train",
    "soft-filter": "joulebird.baselines.methods.soft_filter:soft_filter",
    "early-winning": "joulebird.baselines.methods.early_winning:early_winning",
    "swalp": "joulebird.baselines.methods.swalp:swalp",
}
MODELS = {
    "vgg16": "joulebird.baselines.models.vgg:Vgg16",
    "preresnet101": "joulebird.baselines.models.preresnet:PreResNet101",
    "preresnet164": "joulebird.baselines.models.preresnet:PreResNet164",
    "resnet20": "joulebird.baselines.models.resnet_cifar:ResNet20",
    "resnet56": "joulebird.baselines.models.resnet_cifar:ResNet56",
    "resnet18": "joulebird.baselines.models.resnet:ResNet18",
    "resnet50": "joulebird.baselines.models.resnet:ResNet50",
    "resnet50-v1": "joulebird.baselines.models.resnet:ResNet50v1",
}
DATASETS = {
    "digits": "joulebird.baselines.data.digits:DIGITS",
    "cifar10": "joulebird.baselines.data.vision:CIFAR10",
    "cifar100": "joulebird.baselines.data.vision:CIFAR100",
    "imagenet": "joulebird.baselines.data.folder:IMAGENET",
}
