"""A folder of images: torchvision's own transforms give the same pixels; epochs depend on the
generator alone.
"""

import os
from functools import partial

import numpy
import pytest
import torch
from stages import Stage

from joulebird.baselines import DATASETS
from joulebird.baselines.data.folder import IMAGENET_MEAN, IMAGENET_STD, load_folder, random_box
from joulebird.baselines.data.tensors import DataSet
from joulebird.baselines.data.vision import import_torchvision
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Schedule, Task
from joulebird.harness.core.errors import SpecError
from joulebird.harness.core.registry import find

LOAD = partial(load_folder, 3, 56)
SMALL = DataSet(3, (3, 56, 56), 12, 6, LOAD)
LARGER = DataSet(3, (3, 64, 64), 12, 6, partial(load_folder, 3, 64))


@pytest.fixture
def folder(tmp_path):
    """Twelve training and six test JPEGs of different shapes in three classes."""
    from PIL import Image

    rng = numpy.random.RandomState(0)
    for part, count in (("train", 4), ("val", 2)):
        for name in ("cat", "dog", "eel"):
            os.makedirs(str(tmp_path / part / name))
            for number in range(count):
                pixels = numpy.kron(
                    rng.randint(0, 256, (9, 7 + number, 3)), numpy.ones((10, 10, 1))
                ).astype(numpy.uint8)
                Image.fromarray(pixels).save(str(tmp_path / part / name / f"{number}.jpg"))
    return str(tmp_path)


def test_test_images_are_torchvisions(folder):
    import_torchvision()
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    theirs = ImageFolder(
        os.path.join(folder, "val"),
        transforms.Compose(
            [
                transforms.Resize(64),
                transforms.CenterCrop(56),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        ),
    )
    data = LOAD(folder, workers=0)
    images = torch.cat([images for images, _ in data.test_batches(4)])
    assert torch.allclose(images, torch.stack([image for image, _ in theirs]), atol=1e-5)
    assert data.test_labels.tolist() == [label for _, label in theirs] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_depend_on_the_generator_alone(folder, workers):
    def epoch(seed):
        batches = list(
            LOAD(folder, workers=workers).train_batches(5, torch.Generator().manual_seed(seed))
        )
        assert [len(labels) for _, labels in batches] == [5, 5, 2]
        return torch.cat([images for images, _ in batches]), torch.cat(
            [labels for _, labels in batches]
        )

    torch.manual_seed(1)
    state = torch.get_rng_state()
    images, labels = epoch(7)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.bincount(labels).tolist() == [4, 4, 4]
    assert images.shape == (12, 3, 56, 56)
    again, others = epoch(7), epoch(8)
    assert torch.equal(images, again[0])
    assert torch.equal(labels, again[1])
    assert not torch.equal(images, others[0])


def test_plain_images_are_the_middles_of_the_training_images(folder):
    data = LOAD(folder, workers=0)
    images, labels = next(data.plain_batches(3, order=torch.tensor([11, 0, 4])))
    assert labels.tolist() == [2, 0, 1]
    assert images.shape == (3, 3, 56, 56)
    assert torch.equal(next(data.plain_batches(2, count=1))[0][0], images[1])


def test_random_parts_have_the_areas_and_sides_asked_for():
    random = torch.Generator().manual_seed(0)
    shares, ratios, edges = [], [], set()
    for _ in range(2000):
        left, top, width, height = random_box((400, 300), random)
        assert left >= 0
        assert top >= 0
        assert left + width <= 400
        assert top + height <= 300
        shares.append(width * height / 120000)
        ratios.append(width / height)
        edges.update(((left == 0, "left"), (left + width == 400, "right")))
    assert min(shares) < 0.09
    assert max(shares) > 0.9
    assert 0.74 < min(ratios) < 0.78
    assert 1.28 < max(ratios) < 1.35
    assert {(True, "left"), (True, "right")} <= edges
    assert random_box((1000, 10), torch.Generator().manual_seed(0))[2:] == (
        13,
        10,
    )  # nothing else fits
    assert random_box((10, 1000), torch.Generator().manual_seed(0))[2:] == (10, 13)


def test_a_network_trains_on_it_and_resumes(folder):
    schedule = Schedule(epochs=2, milestones=(1,), batch=6)
    task = Task(
        "resnet18",
        "tests.baselines.data.test_folder:SMALL",
        folder,
        width=1 / 16,
        schedule=schedule,
        micro_batch=3,
    )
    first = Stage(die_after=1)
    with pytest.raises(KeyboardInterrupt):
        train(first, task)
    resumed, whole = train(Stage(saved=first.saved), task), train(Stage(), task)
    assert all(torch.equal(resumed["state"][name], value) for name, value in whole["state"].items())


def test_what_is_wrong_with_a_folder_is_said(folder, tmp_path):
    cases = (
        (partial(load_folder, 4, 56), folder, "3 classes"),
        (LOAD, str(tmp_path / "nowhere"), "holds no images"),
        (LOAD, None, "a folder"),
    )
    for load, place, words in cases:
        with pytest.raises(SpecError, match=words) as error:
            load(place)
        assert error.value.hint
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["no picture", "cut", "png"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_cannot_be_decoded_is_one_clear_error(folder, workers, content):
    path = os.path.join(folder, "train", "cat", "0.jpg")
    with open(path, "rb") as file:
        whole = file.read()
    with open(path, "wb") as file:
        file.write(
            {
                "no picture": b"no picture",
                "cut": whole[: len(whole) // 2],
                "png": b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
            }[content]
        )
    for batches in (
        LOAD(folder, workers=workers).plain_batches(4),
        LOAD(folder, workers=workers).train_batches(4, torch.Generator()),
    ):
        with pytest.raises(SpecError) as error:
            list(batches)
        assert error.value.message.startswith(path)
        assert "\n" not in error.value.message
        assert len(error.value.message) < len(path) + 120
        assert "Traceback" not in error.value.message
        assert error.value.hint == "replace or remove the file"


def test_other_classes_in_the_test_images_are_refused(folder):
    os.rename(os.path.join(folder, "val", "dog"), os.path.join(folder, "val", "fox"))
    with pytest.raises(SpecError, match="class dog in only one") as error:
        LOAD(folder)
    assert error.value.hint


def test_a_model_for_other_images_is_one_clear_error(folder):
    with pytest.raises(SpecError, match="3 x 64 x 64"):
        train(
            Stage(), Task("vgg16", "tests.baselines.data.test_folder:LARGER", folder, width=1 / 16)
        )


def test_imagenet_is_known_before_it_is_there():
    known = find(DATASETS, "data set", "imagenet")
    assert (known.classes, known.shape, known.train_images, known.test_images) == (
        1000,
        (3, 224, 224),
        1281167,
        50000,
    )
