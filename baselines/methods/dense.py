"""Dense training: the unpruned network, and the first stage of every method that prunes after training."""

from typing import Any

from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Task


def dense(task: Task, run: Any) -> Any:
    """Train the unpruned network. One stage, shared with every method that starts from it."""
    return run.stage("dense", train, task)
