"""Dense training: the unpruned network, also the first stage of methods that prune it."""

from typing import Any

from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Task


def dense(task: Task, run: Any) -> Any:
    """Train the unpruned network, in one stage that every method which starts from it shares."""
    return run.stage("dense", train, task)
