"""The capacity of a pruned network to memorise random labels (Boo et al. 2019)."""

import math
from typing import Any

import torch

from joulebird.baselines.data.tensors import TensorData
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Result, Task
from joulebird.harness.core.errors import SpecError


def memorised_bits(samples: int, classes: int, accuracy: float) -> float:
    """Return the mutual information of random labels and answers, in bits; 0 at chance.

    It is N (log2 K - H2(a) - (1 - a) log2(K - 1)).

    >>> round(memorised_bits(1000, 10, 1.0), 2), round(memorised_bits(1000, 2, 0.9), 2)
    (3321.93, 531.0)
    """
    wrong = 1 - accuracy
    entropy = sum(-share * math.log2(share) for share in (accuracy, wrong) if share > 0)
    among_wrong = wrong * math.log2(classes - 1) if classes > 2 else 0
    return samples * (math.log2(classes) - entropy - among_wrong)


def random_labels(data: TensorData, samples: int, seed: int) -> TensorData:
    """Return a data set of `samples` training images with random labels, to train and test on.

    Images are not augmented. Order and labels depend on `seed` alone, and fewer samples are the
    first of more, so all networks compared get the same. Raises SpecError for too many samples.
    """
    if not isinstance(data, TensorData):
        raise SpecError(
            "memorisation needs an in-memory data set", "use a data set that fits into memory"
        )
    count = len(data.train_labels)
    if not 1 <= samples <= count:
        raise SpecError(
            f"memorisation of {samples} images is impossible",
            f"the data set has {count} training images: ask for 1 to {count}",
        )
    generator = torch.Generator().manual_seed(seed)
    device = data.train_images.device
    order = torch.randperm(count, generator=generator)[:samples].to(device)
    labels = torch.randint(data.classes, (count,), generator=generator)[:samples].to(device)
    images = data.train_images[order]
    return data._replace(
        train_images=images,
        train_labels=labels,
        test_images=images,
        test_labels=labels,
        pad=0,
        flip=False,
    )


def memorise(stage: Any, task: Task, ticket: Result, samples: int) -> Result:
    """Train a `MaskedTicket` on `samples` images with random labels for the whole schedule.

    The result's accuracies are shares of the training images, in eval mode: `accuracy_last` is the
    capacity, in the stage's metrics as `memorised_bits` too.
    """
    data = random_labels(task.data(), samples, task.seed)
    result = train(stage, task, ticket, masks=ticket["masks"], data=data)
    accuracy = result["accuracy_last"]
    bits = memorised_bits(samples, data.classes, accuracy)
    stage.metric(samples=samples, memorised=accuracy, memorised_bits=bits)
    return result
