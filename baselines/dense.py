"""Dense training: the unpruned network, and the first stage of every method that prunes after training."""

from typing import Any

from baselines.task import Task
from baselines.train import train


def dense(task: Task, run: Any) -> Any:
    """Train the unpruned network. One stage, shared with every method that starts from it."""
    return run.stage("dense", train, task)
