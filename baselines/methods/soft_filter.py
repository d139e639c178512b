"""Soft filter pruning (He et al. 2018): zero the weakest filters each epoch; they may grow back."""

from typing import Any, List, Optional

import torch
from torch import nn

from joulebird.baselines.models.base import cpu_state
from joulebird.baselines.pruning.channels import check_ratio, saved_macs
from joulebird.baselines.training.hooks import Hook
from joulebird.baselines.training.loop import evaluate, train
from joulebird.baselines.training.task import Result, Task
from joulebird.harness.core.errors import require


def soft_filter(
    task: Task,
    run: Any,
    *,
    every: int = 1,
    nesterov: bool = False,
    skip_shortcuts: bool = True,
    pretrained: bool = False,
    retrain: bool = False,
) -> Any:
    """Train with the weakest filters set to zero each `every` epochs, then cut them out.

    The training costs as much as the dense one: the method is meant to speed up inference.
    `retrain` trains the thin network once more for the whole schedule: dense plus pruned cost, as
    the Early-Bird paper's Table 3 counts. `pretrained` starts from the dense network at a tenth of
    the learning rate. `skip_shortcuts` leaves 1x1 shortcut convolutions whole (as the official
    ImageNet code does); `nesterov` is the official optimiser. The accuracy is that of the
    dense-sized network with its filters at zero; the metrics of stage `cut` hold the thin one's
    beside it.
    """
    schedule = task.schedule
    require(every >= 1, "every", every, "at least 1")
    require(
        not nesterov or schedule.momentum > 0,
        "nesterov",
        nesterov,
        "false where the schedule's momentum is 0",
    )
    start, softly = None, task
    if pretrained:
        start = run.stage("dense", train, task)
        softly = task._replace(schedule=schedule._replace(lr=schedule.lr / 10))
    soft = run.stage(
        "train", train_softly, softly, start, task.prune_ratio, every, nesterov, skip_shortcuts
    )
    thin = run.stage("cut", cut_filters, task, soft, task.prune_ratio)
    return run.stage("retrain", train, task, thin) if retrain else soft


class SoftFilter(Hook):
    """Sets filters to zero before the training, and before the test of each `every` epochs.

    It does so in the last epoch in any case.
    """

    def __init__(
        self, ratio: float, every: int, epochs: int, nesterov: bool, skip_shortcuts: bool
    ) -> None:
        self.ratio, self.every, self.epochs = ratio, every, epochs
        self.nesterov, self.skip_shortcuts = nesterov, skip_shortcuts

    def begin(self, loop: Any) -> None:
        """Choose the layers and the kind of momentum."""
        self.layers = convolutions(loop.model, self.skip_shortcuts)
        for group in loop.optimizer.param_groups:
            group["nesterov"] = self.nesterov

    def started(self, loop: Any) -> None:
        """Prune the initial network."""
        zero_filters(self.layers, self.ratio)

    def epoch_trained(self, loop: Any, epoch: int) -> None:
        """Prune the network if it is due."""
        if epoch % self.every == 0 or epoch + 1 == self.epochs:
            zero_filters(self.layers, self.ratio)


def train_softly(
    stage: Any,
    task: Task,
    start: Optional[Result],
    ratio: float,
    every: int,
    nesterov: bool,
    skip_shortcuts: bool,
) -> Result:
    """Train, from `start` or from the beginning, with soft filter pruning at `ratio`."""
    check_ratio(ratio)
    hook = SoftFilter(ratio, every, task.schedule.epochs, nesterov, skip_shortcuts)
    return train(stage, task, start, hook=hook)


def cut_filters(stage: Any, task: Task, soft: Result, ratio: float) -> Result:
    """Return the thin network without the zeroed filters inside a block: {"widths", "state"}.

    Behind a zeroed filter the normalisation still puts out a constant, beta - gamma * mean /
    deviation. It is dropped, as the official code does for all but the last convolution of a block;
    metrics `accuracy_zeroed` and `accuracy_thin` show the cost.
    """
    model, data = task.network(soft), task.data()
    keep = [torch.arange(len(scale)) for scale in model.scales()]
    for target in model.thinet_targets():
        zeroed = weakest(filter_norms(target.conv), ratio)
        left = sorted(set(range(target.conv.out_channels)) - set(zeroed))
        keep[target.norm] = torch.tensor(left)
    thin = model.cut(keep)
    stage.metric(
        accuracy_zeroed=evaluate(model, data, task.test_batch),
        accuracy_thin=evaluate(thin, data, task.test_batch),
        **saved_macs(task, model, thin),
    )
    return {"widths": thin.widths, "state": cpu_state(thin)}


def zeroed_count(filters: int, ratio: float) -> int:
    """Return the number of a layer's filters to set to zero, by the authors' arithmetic.

    It is int(filters * (1 - rate)) with rate = 1 - ratio.

    >>> zeroed_count(64, 0.3), zeroed_count(10, 0.1)
    (19, 0)
    """
    return int(filters * (1 - (1 - ratio)))


def weakest(norms: torch.Tensor, ratio: float) -> List[int]:
    """Return the indices of the share `ratio` of smallest norms, the first of equal ones.

    >>> weakest(torch.tensor([5., 1., 2., 1.]), 0.5)
    [1, 3]
    """
    ranked = sorted(range(len(norms)), key=norms.tolist().__getitem__)
    return ranked[: zeroed_count(len(norms), ratio)]


def filter_norms(layer: nn.Conv2d) -> torch.Tensor:
    """Return the L2 norm of each filter."""
    return layer.weight.detach().flatten(1).norm(2, 1)


def convolutions(network: nn.Module, skip_shortcuts: bool = True) -> List[nn.Conv2d]:
    """Return the pruned layers: every convolution, shortcuts only if asked for."""
    return [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
        and not (skip_shortcuts and ("shortcut" in name or "downsample" in name))
    ]


def zero_filters(layers: List[nn.Conv2d], ratio: float) -> None:
    """Set the weakest filters of each layer to zero, in place; their momentum may revive them."""
    norms = torch.cat([filter_norms(layer) for layer in layers]).cpu()  # one transfer for all
    on_cpu = norms.split([layer.out_channels for layer in layers])
    with torch.no_grad():
        for layer, norm in zip(layers, on_cpu):
            layer.weight[weakest(norm, ratio)] = 0
