"""Network slimming (Liu et al. 2017): train with an L1 term on normalisation scales, cut the smallest, train what remains."""

from typing import Any, Dict

from joulebird.baselines.pruning import channels
from joulebird.baselines.training import flops
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Task


def network_slimming(task: Task, run: Any, *, keep_sparsity: bool = False) -> Any:
    """Dense training with L1 (one stage, whatever the ratio), one ranking over all scales, and a full retraining of the thin network.

    Table 2 of the Early-Bird paper retrains for the whole schedule from the first learning rate, with the trained weights. `keep_sparsity`
    keeps the L1 term while retraining, as the Early-Bird scripts do; the original does not.
    """
    trained = run.stage("dense-l1", train, task, sparsity=task.sparsity)
    thin = run.stage("prune", thin_network, task, trained, task.prune_ratio)
    return run.stage("retrain", train, task, thin, sparsity=task.sparsity if keep_sparsity else 0.0)


def thin_network(stage: Any, task: Task, trained: Dict[str, Any], ratio: float) -> Dict[str, Any]:
    """The trained network without the share `ratio` of its channels that has the smallest scales.

    The result is {"widths", "state", "epoch", "masks"}; the weights are inherited. A layer that would lose every channel keeps its
    strongest one, with a warning.
    """
    model = task.network(trained)
    return thinned(
        stage, task, model, channels.ranked_masks(model.scales(), ratio), trained["epoch"]
    )


def thinned(stage: Any, task: Task, model: Any, masks: Any, epoch: int) -> Dict[str, Any]:
    """Cut `model` to `masks`, note what remains as the stage's metrics, and give the thin network as a result."""
    thin = channels.cut_to_masks(model, masks, stage.warn)
    shape = task.source().shape
    before, after = flops.count(model, shape), flops.count(thin, shape)
    stage.metric(
        channels=sum(len(mask) for mask in masks),
        channels_kept=sum(len(scale) for scale in thin.scales()),
        macs=after.macs,
        macs_share=after.macs / before.macs,
    )
    return {
        "widths": thin.widths,
        "state": {name: value.cpu() for name, value in thin.state_dict().items()},
        "epoch": epoch,
        "masks": list(masks),
    }
