"""Soft filter pruning (He et al. 2018): after each epoch the weakest filters are set to zero, and may grow back in the next."""

from typing import Any, Dict, List

import numpy
import torch
from torch import nn

from joulebird.baselines.pruning.channels import check_ratio
from joulebird.baselines.training import flops
from joulebird.baselines.training.hooks import Watch
from joulebird.baselines.training.loop import evaluate, train
from joulebird.baselines.training.task import Task
from joulebird.harness.core.errors import require

Result = Dict[str, Any]


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
    """Train with the weakest filters of every convolution set to zero each `every` epochs, then cut them out.

    The training costs as much as the dense one: the method is meant to speed up inference. `retrain` trains the thin network
    once more for the whole schedule: dense plus pruned cost, as the Early-Bird paper's Table 3 counts. `pretrained` starts
    from the dense network at a tenth of the learning rate. `skip_shortcuts` leaves 1x1 shortcut convolutions whole (as the
    official ImageNet code does); `nesterov` is the official optimiser. The accuracy is that of the dense-sized network with
    its filters at zero; the metrics of stage `cut` hold the thin one's beside it.
    """
    require(every >= 1, "every", every, "at least 1 epoch")
    require(
        not nesterov or task.schedule.momentum > 0,
        "nesterov",
        nesterov,
        "false where the schedule's momentum is 0",
    )
    start, softly = None, task
    if pretrained:
        start = run.stage("dense", train, task)
        softly = task._replace(schedule=task.schedule._replace(lr=task.schedule.lr / 10))
    soft = run.stage(
        "train", train_softly, softly, start, task.prune_ratio, every, nesterov, skip_shortcuts
    )
    thin = run.stage("cut", cut_filters, task, soft, task.prune_ratio)
    return run.stage("retrain", train, task, thin) if retrain else soft


def zeroed_count(filters: int, ratio: float) -> int:
    """How many of a layer's `filters` are set to zero: int(filters * (1 - rate)) with rate = 1 - ratio, the authors' arithmetic.

    >>> zeroed_count(64, 0.3), zeroed_count(10, 0.1)
    (19, 0)
    """
    return int(filters * (1 - (1 - ratio)))


def weakest(norms: torch.Tensor, count: int) -> List[int]:
    """Indices of the `count` smallest norms; of equal ones the first.

    >>> weakest(torch.tensor([5., 1., 2., 1.]), 2)
    [1, 3]
    """
    return numpy.argsort(norms.cpu().numpy(), kind="stable")[:count].tolist()


def convolutions(network: nn.Module, skip_shortcuts: bool = True) -> List[nn.Conv2d]:
    """The layers that are pruned: every convolution, the stem included, shortcuts only if asked for."""
    named = [
        (name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)
    ]
    return [
        module
        for name, module in named
        if not (skip_shortcuts and ("shortcut" in name or "downsample" in name))
    ]


def zero_filters(layers: List[nn.Conv2d], ratio: float) -> None:
    """Set the weakest filters of each layer to zero, in place. The optimiser is not told: their momentum may revive them."""
    with torch.no_grad():
        norms = [layer.weight.flatten(1).norm(2, 1) for layer in layers]
        norms = (
            torch.cat(norms).cpu().split([len(norm) for norm in norms])
        )  # one transfer for all layers
        for layer, norm in zip(layers, norms):
            layer.weight[weakest(norm, zeroed_count(len(norm), ratio))] = 0


class SoftFilter(Watch):
    """Sets filters to zero before the training and after each `every` epochs, the last in any case, before the test."""

    def __init__(
        self, ratio: float, every: int, epochs: int, nesterov: bool, skip_shortcuts: bool
    ) -> None:
        self.ratio, self.every, self.epochs, self.nesterov, self.skip_shortcuts = (
            ratio,
            every,
            epochs,
            nesterov,
            skip_shortcuts,
        )

    def begin(self, loop: Any) -> None:
        self.layers = convolutions(loop.model, self.skip_shortcuts)
        for group in loop.optimizer.param_groups:
            group["nesterov"] = self.nesterov

    def started(self, loop: Any) -> None:
        zero_filters(self.layers, self.ratio)

    def epoch_trained(self, loop: Any, epoch: int) -> None:
        if epoch % self.every == 0 or epoch + 1 == self.epochs:
            zero_filters(self.layers, self.ratio)


def train_softly(
    stage: Any,
    task: Task,
    start: Any,
    ratio: float,
    every: int,
    nesterov: bool,
    skip_shortcuts: bool,
) -> Result:
    """Train, from `start` or from the beginning, with soft filter pruning at `ratio`."""
    check_ratio(ratio)
    return train(
        stage,
        task,
        start,
        watch=SoftFilter(ratio, every, task.schedule.epochs, nesterov, skip_shortcuts),
    )


def cut_filters(stage: Any, task: Task, soft: Result, ratio: float) -> Result:
    """The thin network without the zeroed filters that stand inside a block: {"widths", "state"}.

    Behind a zeroed filter the normalisation still puts out a constant, beta - gamma * mean / deviation. It is dropped, as the
    official code does for all but the last convolution of a block; metrics `accuracy_zeroed` and `accuracy_thin` show what
    that costs.
    """
    model, data = task.network(soft), task.data()
    keep = [torch.arange(len(scale)) for scale in model.scales()]
    for target in model.thinet_targets():
        weight = target.conv.weight.detach()
        zeroed = set(weakest(weight.flatten(1).norm(2, 1), zeroed_count(len(weight), ratio)))
        keep[target.norm] = torch.tensor(
            [place for place in range(len(weight)) if place not in zeroed]
        )
    thin = model.cut(keep)
    batch = task.micro_batch or task.schedule.batch
    before, after = flops.count(model, task.source().shape), flops.count(thin, task.source().shape)
    stage.metric(
        accuracy_zeroed=evaluate(model, data, batch),
        accuracy_thin=evaluate(thin, data, batch),
        macs=after.macs,
        macs_share=after.macs / before.macs,
    )
    return {
        "widths": thin.widths,
        "state": {name: value.cpu() for name, value in thin.state_dict().items()},
    }
