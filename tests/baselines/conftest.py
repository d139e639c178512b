"""Fixtures of the training tests: one thread, small networks, the digits."""

import os
import sys

import pytest
import torch

sys.path.insert(0, os.path.dirname(__file__))

from joulebird.baselines.training.task import Schedule, Task  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    """The machine is shared, and one thread is what makes sums come out the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def task():
    """VGG16 at a sixteenth of its width on a sixth of the digits, three epochs."""
    return Task(
        "vgg16",
        "tests.baselines.tiny:TINY",
        width=1 / 16,
        schedule=Schedule(epochs=3, milestones=(2,), batch=32),
    )
