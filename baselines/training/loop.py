"""The one training loop: SGD, L1 on normalisation scales, masks, exact resumption."""

import math
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import torch
from torch import Tensor, nn

from joulebird.baselines.data.tensors import TensorData
from joulebird.baselines.models.base import Prunable, calls, cpu_state, evaluating
from joulebird.baselines.training.flops import task_count
from joulebird.baselines.training.hooks import Hook
from joulebird.baselines.training.task import (
    MISFITS,
    Result,
    Task,
    lacks_memory,
    misfit,
    smallest_part,
    synchronize,
)
from joulebird.harness.core.errors import SpecError, TrainingError


class Trained(NamedTuple):
    """The fields of a result: accuracies are shares from 0 to 1, epochs the schedule's."""

    widths: Sequence[Any]
    state: Dict[str, Tensor]
    epoch: int
    accuracy_last: float
    accuracy_best: float
    best_epoch: int


class Loop:
    """One training under way; `loss`, `lr_at` and `optimizer` may be replaced.

    `epoch` counts finished epochs from the schedule's start.
    """

    def __init__(
        self,
        stage: Any,
        task: Task,
        model: Prunable,
        data: TensorData,
        sparsity: float,
        masks: Optional[Dict[str, Tensor]],
        hook: Hook,
    ) -> None:
        self.stage, self.task, self.hook = stage, task, hook
        self.model, self.data, self.sparsity = model, data, sparsity
        self.loss: Callable[..., Tensor] = nn.functional.cross_entropy
        self.lr_at: Callable[[int], float] = task.schedule.lr_at
        self.optimizer: torch.optim.Optimizer = torch.optim.SGD(
            model.parameters(), **task.schedule.sgd()
        )
        self.scales = [
            module.weight for module in model.modules() if isinstance(module, nn.BatchNorm2d)
        ]
        self.epoch = self.best_epoch = 0
        self.accuracy_last = self.accuracy_best = 0.0
        self.done = self.has_checkpoint = False
        self.set_masks(masks)

    def set_masks(self, masks: Optional[Dict[str, Tensor]]) -> None:
        """Hold the parameters named in `masks` at zero where their mask is false, from now on."""
        named, masks = dict(self.model.named_parameters()), masks or {}
        for name, mask in sorted(masks.items()):
            if name not in named or mask.shape != named[name].shape:
                fault = "of another shape" if name in named else "which the network does not have"
                raise SpecError(
                    f"a mask names {name}, {fault}", "the masks belong to another network"
                )
        self.masked = [named[name] for name in masks]
        self.masks = [
            mask.to(named[name].device, named[name].dtype) for name, mask in masks.items()
        ]
        self.apply_masks()

    def apply_masks(self) -> None:
        """Set the masked weights to zero, all layers in one go."""
        if self.masked:
            with torch.no_grad():
                torch._foreach_mul_([parameter.data for parameter in self.masked], self.masks)

    def generator(self, epoch: int, purpose: int = 0) -> torch.Generator:
        """Return random numbers that depend on seed, epoch and purpose alone.

        A resumed epoch is therefore the same epoch.
        """
        return torch.Generator().manual_seed((self.task.seed * 1000003 + epoch) * 101 + purpose)

    def train_epoch(self, epoch: int) -> Tensor:
        """Train one epoch; return the summed loss, which stays on the device until it is read."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr_at(epoch)
        self.model.train()
        total = torch.zeros((), device=self.data.train_labels.device)
        batch = self.task.schedule.batch
        for images, labels in self.data.train_batches(batch, self.generator(epoch)):
            self.optimizer.zero_grad(set_to_none=True)
            total += self._backward(images, labels)
            if self.sparsity:
                self._add_l1()
            self.hook.after_backward(self)
            self.optimizer.step()
            self.apply_masks()
            self.hook.after_step(self)
        return total

    def test(self) -> float:
        """Return the test accuracy."""
        return evaluate(self.model, self.data, self.task.test_batch)

    def _backward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Compute the gradients of the batch's mean loss; return its summed loss, detached."""
        count, part = len(labels), self.task.micro_batch
        if part is None or count <= part:
            loss = self.loss(self.model(images), labels)
            loss.backward()
            return loss.detach() * count
        total = torch.zeros((), device=labels.device)
        for some_images, some_labels in zip(images.split(part), labels.split(part)):
            share = len(some_labels) / count
            loss = self.loss(self.model(some_images), some_labels) * share
            loss.backward()
            total += loss.detach() * count
        return total

    def _add_l1(self) -> None:
        """Add sparsity * sign(scale) to the scales' gradients: the L1 term's sub-gradient."""
        gradients = [scale.grad for scale in self.scales if scale.grad is not None]
        with torch.no_grad():
            torch._foreach_add_(gradients, _signs(self.scales), alpha=self.sparsity)

    def checkpoint(self) -> Dict[str, Any]:
        """Return the state that an exact continuation needs."""
        return dict(
            widths=self.model.widths,
            state=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            **{name: getattr(self, name) for name in _PROGRESS},
            watch=self.hook.state(),
        )

    def restore(self, saved: Dict[str, Any], end: int) -> None:
        """Continue from a checkpoint of a training that ends with epoch `end`.

        Raises SpecError if the checkpoint is another's.
        """
        try:
            self.model.load_state_dict(saved["state"])
            _load_optimizer(self.optimizer, saved["optimizer"])
            self.hook.load_state(saved["watch"])
            for name, kind in _PROGRESS.items():
                if not isinstance(saved[name], kind):
                    raise TypeError(f"{name} is {saved[name]!r}")
                setattr(self, name, saved[name])
            if not 0 <= self.epoch <= end:
                raise ValueError(f"it is of epoch {self.epoch}, and the training's last is {end}")
        except (SpecError, *MISFITS) as error:
            if lacks_memory(error):
                raise
            raise SpecError(
                f"{self.stage.folder}/checkpoint.pt is not a checkpoint of "
                f"this training of {self.task.model}, but another network's: {misfit(error)}",
                "put the stage's own checkpoint back, or delete the stage's folder to train again",
            ) from error
        self.has_checkpoint = True

    def result(self) -> Result:
        """Return the stage's result, on the CPU."""
        progress = (getattr(self, name) for name in Trained._fields[2:])
        return dict(Trained(self.model.widths, cpu_state(self.model), *progress)._asdict())


# the progress in a checkpoint, with its types
_PROGRESS = {
    "epoch": int,
    "accuracy_last": float,
    "accuracy_best": float,
    "best_epoch": int,
    "done": bool,
}


def _load_optimizer(optimizer: torch.optim.Optimizer, saved: Dict[str, Any]) -> None:
    """Load an optimiser's state; torch compares neither shapes nor names of settings."""
    settings = {"lr", "momentum", "dampening", "weight_decay"}
    kept = [settings & set(group) for group in optimizer.param_groups]
    optimizer.load_state_dict(saved)
    for names, group in zip(kept, optimizer.param_groups):
        if names - set(group):
            raise ValueError(f"its optimiser has no {min(names - set(group))}")
    for parameter, values in optimizer.state.items():
        momentum = values.get("momentum_buffer")
        if momentum is not None and momentum.shape != parameter.shape:
            raise ValueError(
                f"a momentum of {tuple(momentum.shape)} for weights of {tuple(parameter.shape)}"
            )


def _signs(scales: List[nn.Parameter]) -> List[Tensor]:
    fused = getattr(torch, "_foreach_sign", None)
    return list(fused(scales)) if fused else [scale.sign() for scale in scales]


def train(
    stage: Any,
    task: Task,
    network: Optional[Result] = None,
    *,
    from_epoch: int = 0,
    epochs: Optional[int] = None,
    sparsity: float = 0.0,
    masks: Optional[Dict[str, Tensor]] = None,
    hook: Optional[Hook] = None,
    data: Optional[TensorData] = None,
    precision: str = "fp32",
) -> Result:
    """Train `network` (a result; None: the fresh dense network) and return a `Trained` as a dict.

    The training covers `from_epoch` up to, not including, `epochs` (None: the schedule's end) with
    a fresh optimiser. `sparsity` weighs the L1 term on normalisation scales; `masks` {parameter
    name: bool tensor} hold weights at zero.

    Interrupted at any moment, the same call continues from the last checkpoint and ends with
    bitwise the same result on the same machine. Raises TrainingError if the loss is NaN or
    infinite.
    """
    data = task.data() if data is None else data
    model = task.build() if network is None else task.network(network)
    use_fastest_layout(model, task.device)
    loop = Loop(stage, task, model, data, sparsity, masks, hook or Hook())
    _describe(loop, precision)
    loop.epoch = from_epoch
    loop.hook.begin(loop)
    end = task.schedule.epochs if epochs is None else epochs
    saved = stage.resume()
    if saved is not None:
        loop.restore(saved, end)
    else:
        loop.hook.started(loop)
        if loop.epoch >= end:  # the bare network may be the last one of its run
            loop.accuracy_last = loop.accuracy_best = loop.test()
            loop.best_epoch = loop.epoch
            stage.metric(test_accuracy=loop.accuracy_last)
    while loop.epoch < end and not loop.done:
        _one_epoch(loop, end)
        if stage.stopping:
            stage.stop()
    return loop.result()


def _describe(loop: Loop, precision: str) -> None:
    """Put the trained network's size into the stage's record. Refuses images it cannot take."""
    task, data, images = loop.task, loop.data, len(loop.data.train_labels)
    counted = task_count(task, loop.model, data.shape)
    check_parts(task, loop.model, data.shape, images)
    loop.stage.work(
        widths=loop.model.widths,
        macs=counted.macs,
        forward_flops=counted.forward_flops,
        images_per_epoch=images,
        batch=task.schedule.batch,
        precision=precision,
    )


def check_parts(task: Task, model: nn.Module, shape: Sequence[int], images: int) -> None:
    """Refuse a batch that leaves a single image to a normalisation of 1 x 1 maps.

    One number has no standard deviation.
    """
    batch, micro_batch = task.schedule.batch, task.micro_batch
    if smallest_part(images, batch, micro_batch) > 1:
        return
    if all(before[2:].numel() > 1 for _, before, _ in calls(model, shape, nn.BatchNorm2d)):
        return
    parts = f"batch {batch}" + (f" in parts of micro_batch {micro_batch}" if micro_batch else "")
    raise SpecError(
        f"{parts} leaves a single image of {images} over, which {task.model} cannot normalise: "
        "it has 1 x 1 maps",
        f"change batch{' or micro_batch' if micro_batch else ''} so that no part has one image",
    )


def fastest_layout(device: str) -> torch.memory_format:
    """Return the memory order of convolutions that trains fastest on a device.

    Channels last on a CPU with a current torch: measured on x86, a step of VGG16 took 5 % less
    time, of PreResNet-101 26 %, of VGG16 at an eighth of its width 28 %. With torch 1.10 it was
    slower.
    """
    current = int(torch.__version__.split(".")[0]) >= 2
    return torch.channels_last if current and device == "cpu" else torch.contiguous_format


def use_fastest_layout(model: nn.Module, device: str) -> None:
    """Store the network's convolutions in the memory order that trains fastest."""
    model.to(memory_format=fastest_layout(device))  # type: ignore[call-overload]  # stub lacks it


def _one_epoch(loop: Loop, end: int) -> None:
    """Train, test and commit one epoch."""
    epoch, images, begin_s = loop.epoch, len(loop.data.train_labels), time.monotonic()
    loop.hook.epoch_begin(loop, epoch)
    total = _trained(loop, epoch)
    loop.hook.epoch_trained(loop, epoch)
    synchronize(loop.task.device)
    train_end_s = time.monotonic()
    loss = float(total) / images
    if not math.isfinite(loss):
        kept = f"; the checkpoint of epoch {epoch} is kept" if loop.has_checkpoint else ""
        raise TrainingError(
            f"the loss of epoch {epoch + 1} is not a number",
            f"lower the learning rate (it was {loop.lr_at(epoch):g}){kept}",
        )
    accuracy = loop.test()
    loop.accuracy_last, loop.epoch = accuracy, epoch + 1
    if accuracy > loop.accuracy_best:
        loop.accuracy_best, loop.best_epoch = accuracy, epoch + 1
    loop.done = bool(loop.hook.epoch_end(loop, epoch, accuracy))
    loop.stage.checkpoint(loop.checkpoint())
    loop.stage.epoch(
        epoch=epoch + 1,
        of=end,
        begin_s=begin_s,
        train_end_s=train_end_s,
        loss=loss,
        test_accuracy=accuracy,
        images=images,
    )
    loop.has_checkpoint = True


def _trained(loop: Loop, epoch: int) -> Tensor:
    try:
        return loop.train_epoch(epoch)
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
        raise TrainingError(
            f"there is not enough memory for {loop.task.model} "
            f"with a batch of {loop.task.test_batch}",
            "set micro_batch to a part of the batch (normalisation statistics are then those of "
            "the parts), or close other programs",
        ) from error


def evaluate(model: nn.Module, data: TensorData, batch: int = 256) -> float:
    """Return the share of test images that the model classifies correctly in eval mode.

    The training mode is restored.
    """
    with evaluating(model):
        right = sum(
            (model(images).argmax(1) == labels).sum() for images, labels in data.test_batches(batch)
        )
    return float(right) / len(data.test_labels)
