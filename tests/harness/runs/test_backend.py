"""What the engine asks of baselines is there, under the names that it asks for."""

import os

import pytest
import torch

from joulebird.harness.runs.backend import Backend


def test_a_task_and_its_results_can_be_had():
    task = Backend().task_from(
        {"method": "dense", "model": "vgg16", "dataset": "digits", "device": "cpu"}
    )
    assert task.recipe()["model"] == "vgg16"


def test_a_processor_needs_no_waiting_for():
    Backend().synchronise("cpu")


def test_an_accelerator_is_waited_for_by_torch():
    """Without one, it is torch that refuses: the call goes all the way."""
    if torch.cuda.is_available():
        Backend().synchronise("cuda")
    else:
        with pytest.raises((AssertionError, RuntimeError), match="CUDA|NVIDIA"):
            Backend().synchronise("cuda")


def test_waiting_threads_sleep_unless_the_user_says_otherwise(monkeypatch):
    spec = {"model": "vgg16", "dataset": "digits", "device": "cpu"}
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    Backend().task_from(spec)
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    Backend().task_from(spec)
    assert os.environ["OMP_WAIT_POLICY"] == "active"
