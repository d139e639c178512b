"""Network slimming (Liu et al. 2017): train with L1 on normalisation scales, cut, retrain."""

from typing import Any

from joulebird.baselines.pruning.channels import thin_network
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Task


def network_slimming(task: Task, run: Any, *, keep_sparsity: bool = False) -> Any:
    """Train densely with L1 (one stage for all ratios), rank all scales, cut, and retrain.

    Table 2 of the Early-Bird paper retrains for the whole schedule from the first learning rate,
    with the trained weights. `keep_sparsity` keeps the L1 term while retraining, as the Early-Bird
    scripts do; the original does not.
    """
    trained = run.stage("dense-l1", train, task, sparsity=task.sparsity)
    thin = run.stage("prune", thin_network, task, trained, task.prune_ratio)
    return run.stage("retrain", train, task, thin, sparsity=task.sparsity if keep_sparsity else 0.0)
