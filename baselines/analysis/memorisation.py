"""How much a pruned network can learn by heart (Boo et al. 2019, as "The sooner the better" uses it): training on random labels."""

import math
from typing import Any, Dict

import torch

from joulebird.baselines.data.tensors import TensorData
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Task
from joulebird.harness.core.errors import SpecError


def memorised_bits(samples: int, classes: int, accuracy: float) -> float:
    """Mutual information of random labels and answers, in bits: N (log2 K - H2(a) - (1 - a) log2(K - 1)); 0 at chance.

    >>> round(memorised_bits(1000, 10, 1.0), 2), abs(round(memorised_bits(1000, 10, 0.1), 2)), round(memorised_bits(1000, 2, 0.9), 2)
    (3321.93, 0.0, 531.0)
    """
    wrong = 1 - accuracy
    entropy = sum(-share * math.log2(share) for share in (accuracy, wrong) if share > 0)
    return samples * (
        math.log2(classes) - entropy - (wrong * math.log2(classes - 1) if classes > 2 else 0)
    )


def random_labels(data: TensorData, samples: int, seed: int) -> TensorData:
    """The first `samples` training images of a fixed order, with uniformly random labels, un-augmented, as training and as test set.

    The same for every network compared: order and labels depend on `seed` alone, and fewer samples are the first of more. Raises
    SpecError when there are not as many images.
    """
    if not isinstance(data, TensorData):
        raise SpecError(
            "images that are read from files cannot be learnt by heart",
            "use a data set that fits into memory",
        )
    count = len(data.train_labels)
    if not 1 <= samples <= count:
        raise SpecError(
            f"{samples} images cannot be learnt by heart",
            f"the data set has {count} training images: ask for 1 to {count}",
        )
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator)[:samples].to(data.train_images.device)
    labels = torch.randint(data.classes, (count,), generator=generator)[:samples].to(
        data.train_labels.device
    )
    images = data.train_images[order]
    return data._replace(
        train_images=images,
        train_labels=labels,
        test_images=images,
        test_labels=labels,
        pad=0,
        flip=False,
    )


def memorise(stage: Any, task: Task, ticket: Dict[str, Any], samples: int) -> Dict[str, Any]:
    """Train a ticket {"widths", "state", "masks"} on `samples` images with random labels for the whole schedule.

    The result's accuracies are shares of the training images, in eval mode: the capacity is `accuracy_last`. Metric `memorised_bits`.
    """
    data = random_labels(task.data(), samples, task.seed)
    result = train(stage, task, ticket, masks=ticket["masks"], data=data)
    stage.metric(
        samples=samples,
        memorised=result["accuracy_last"],
        memorised_bits=memorised_bits(samples, data.classes, result["accuracy_last"]),
    )
    return result
