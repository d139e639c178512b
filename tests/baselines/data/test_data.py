"""Data: the split, the augmentation against one written out pixel by pixel, and what is said when a
folder holds something else.
"""

import hashlib
import pickle

import numpy
import pytest
import torch

from joulebird.baselines.data import digits, vision
from joulebird.harness.core.errors import SpecError
from tests.benchmarks.bench_training import input_row

DIGITS = digits.load_digits()


def test_digits_are_the_known_set_and_the_split_is_stratified():
    assert len(DIGITS.train_labels) == digits.DIGITS.train_images == 1442
    assert len(DIGITS.test_labels) == digits.DIGITS.test_images == 355
    assert DIGITS.train_images.shape[1:] == digits.DIGITS.shape
    assert DIGITS.train_images.dtype == torch.uint8
    counts = torch.bincount(DIGITS.train_labels) + torch.bincount(DIGITS.test_labels)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert torch.equal(torch.bincount(DIGITS.test_labels), counts // 5)
    # the first image of the set is a zero; its first row is 0 0 5 13 9 1 0 0
    row = (DIGITS.train_images[0, 0, 0, ::4].float() * 16 / 255).round().int().tolist()
    assert row == [0, 0, 5, 13, 9, 1, 0, 0]
    assert int(DIGITS.train_labels[0]) == 0
    assert torch.equal(DIGITS.train_images[:, 0], DIGITS.train_images[:, 2])


def test_every_pixel_and_label_is_that_of_the_published_set():
    content = hashlib.sha256()  # taken from scikit-learn's copy, a CSV file
    for tensor in DIGITS[:4]:
        content.update(tensor.numpy().tobytes())
    assert content.hexdigest() == "6a76c303694d48539f79b35f773aaec23b67b924e7f65d7f409137f25d8fcc5b"


def test_normalised_images_have_mean_zero_and_deviation_one():
    images = DIGITS.normalise(DIGITS.train_images)
    assert images.dtype == torch.float32
    assert abs(float(images.mean())) < 1e-3
    assert float(images.std()) == pytest.approx(1, abs=1e-3)


def test_normalisation_is_the_usual_arithmetic():
    some = DIGITS._replace(mean=vision.CIFAR_MEAN, std=vision.CIFAR_STD)
    images = torch.arange(3 * 4).reshape(1, 3, 2, 2).to(torch.uint8) * 21
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in (vision.CIFAR_MEAN, vision.CIFAR_STD)
    )
    assert torch.allclose(some.normalise(images), (images.float() / 255 - mean) / std, atol=1e-6)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("pad", [0, 2, 4])
def test_augmentation_equals_one_image_at_a_time(flip, pad):
    some = DIGITS._replace(flip=flip, pad=pad)
    seen, flipped, offsets = [], 0, set()
    batches = list(some.train_batches(700, torch.Generator().manual_seed(3)))
    assert [len(labels) for _, labels in batches] == [700, 700, 42]
    images, labels = (
        torch.cat([images for images, _ in batches]),
        torch.cat([labels for _, labels in batches]),
    )
    assert torch.equal(torch.bincount(labels), torch.bincount(DIGITS.train_labels))
    padded = torch.nn.functional.pad(some.train_images, [pad] * 4)
    order = torch.randperm(1442, generator=torch.Generator().manual_seed(3))
    for place in range(40):
        source = padded[order[place]]
        crops = [
            (
                y,
                x,
                f,
                source[:, y : y + 32, x : x + 32].flip(2)
                if f
                else source[:, y : y + 32, x : x + 32],
            )
            for y in range(2 * pad + 1)
            for x in range(2 * pad + 1)
            for f in (False, True)
        ]
        found = [
            crop[:3]
            for crop in crops
            if torch.equal(some.normalise(crop[3][None])[0], images[place])
        ]
        assert found, f"image {place} is no crop of its source"
        seen.append(found[0])
        flipped += all(f for _, _, f in found)
        offsets.update((y, x) for y, x, _ in found)
    assert (flipped > 0) == flip
    assert len(offsets) > pad * 4


def test_epochs_depend_on_the_generator_alone():
    def first(seed):
        return next(DIGITS.train_batches(64, torch.Generator().manual_seed(seed)))[0]

    torch.manual_seed(99)
    one = first(5)
    torch.manual_seed(100)
    assert torch.equal(one, first(5))
    assert not torch.equal(one, first(6))


def test_plain_batches_are_the_images_in_order():
    images = torch.cat([images for images, _ in DIGITS.plain_batches(16, 40)])
    assert torch.equal(images, DIGITS.normalise(DIGITS.train_images[:40]))
    order = torch.tensor([5, 3, 9])
    assert torch.equal(next(DIGITS.plain_batches(8, order=order))[1], DIGITS.train_labels[order])


def write_cifar(folder, classes):
    """A tiny folder in CIFAR-10's layout; torchvision's checksums do not know it, so its reader is
    told to skip them.
    """
    root = folder / "cifar-10-batches-py"
    root.mkdir()
    rng = numpy.random.RandomState(0)
    for name in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]:
        labels = [place % classes for place in range(20)]
        pixels = rng.randint(0, 256, (20, 3072)).astype(numpy.uint8)
        with open(str(root / name), "wb") as file:
            pickle.dump({"data": pixels, "labels": labels}, file)
    with open(str(root / "batches.meta"), "wb") as file:
        pickle.dump({"label_names": [f"class {number}" for number in range(classes)]}, file)


def test_cifar_from_a_folder(tmp_path, monkeypatch):
    sets = vision.import_torchvision().datasets
    write_cifar(tmp_path, 10)
    monkeypatch.setattr(sets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(sets.cifar, "check_integrity", lambda *args: True)
    loaded = vision.CIFAR10.load(str(tmp_path))
    assert loaded.train_images.shape == (100, 3, 32, 32)
    assert loaded.train_images.dtype == torch.uint8
    assert loaded.test_labels.tolist() == [place % 10 for place in range(20)]
    with open(str(tmp_path / "cifar-10-batches-py" / "data_batch_1"), "rb") as file:
        pixels = pickle.load(file)["data"][7].reshape(3, 32, 32)
    assert numpy.array_equal(loaded.train_images[7].numpy(), pixels)
    assert next(loaded.train_batches(8, torch.Generator()))[0].shape == (8, 3, 32, 32)


def test_the_wrong_number_of_classes_is_an_error(tmp_path, monkeypatch):
    sets = vision.import_torchvision().datasets
    write_cifar(tmp_path, 12)
    monkeypatch.setattr(sets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(sets.cifar, "check_integrity", lambda *args: True)
    with pytest.raises(SpecError, match="12 classes"):
        vision.CIFAR10.load(str(tmp_path))


def test_an_absent_folder_is_one_clear_error(tmp_path):
    for folder in (str(tmp_path), str(tmp_path / "nowhere"), None):
        with pytest.raises(SpecError) as error:
            vision.CIFAR100.load(folder)
        assert error.value.exit_code == 2
        assert error.value.hint
        assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.alone
def test_the_input_path_costs_at_most_a_tenth_of_pils():
    """CPU time an image, the best of 45: another user of the memory only adds to it. Here and not
    beside the other benchmarks, so that the board's Python runs it too.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours, pils = input_row(1280, 256, 45)[:2]
        assert ours <= 0.1 * pils
    finally:
        torch.set_num_threads(threads)
