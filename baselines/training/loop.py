"""The one training loop: SGD, an L1 term on normalisation scales, masks that hold, a checkpoint an epoch, exact resumption."""

import math
import os
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple  # noqa: F401 (type comments)

import torch
from torch import Tensor, nn
from torch.nn import functional

from joulebird.baselines.data.tensors import TensorData
from joulebird.baselines.training.flops import task_count
from joulebird.baselines.training.hooks import Watch
from joulebird.baselines.training.parts import check_parts
from joulebird.baselines.training.task import Task, lacks_memory, misfit
from joulebird.harness.core.errors import SpecError, TrainingError

Result = Dict[str, Any]


class Loop:
    """One training under way. `epoch` counts finished epochs from the schedule's start; `loss`, `lr_at` and `optimizer` may be replaced."""

    def __init__(
        self,
        stage: Any,
        task: Task,
        model: nn.Module,
        data: TensorData,
        sparsity: float,
        masks: Optional[Dict[str, Tensor]],
        watch: Watch,
    ) -> None:
        schedule = task.schedule
        self.stage, self.task, self.model, self.data, self.watch = stage, task, model, data, watch
        self.sparsity = sparsity
        self.loss = functional.cross_entropy  # type: Callable[..., Tensor]
        self.lr_at = schedule.lr_at  # type: Callable[[int], float]
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=schedule.lr,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
        )  # type: Any
        self.scales = [
            module.weight for module in model.modules() if isinstance(module, nn.BatchNorm2d)
        ]
        self.epoch = 0
        self.accuracy_last = self.accuracy_best = 0.0
        self.best_epoch = 0
        self.done = self.has_checkpoint = False
        self.set_masks(masks)

    def set_masks(self, masks: Optional[Dict[str, Tensor]]) -> None:
        """Hold the parameters named in `masks` at zero where their mask is false, from now on."""
        named = dict(self.model.named_parameters())
        unknown = sorted(set(masks or {}) - set(named))
        if unknown:
            raise SpecError(
                f"a mask names {unknown[0]}, which the network does not have",
                "the masks belong to another network",
            )
        misfits = [name for name, mask in (masks or {}).items() if mask.shape != named[name].shape]
        if misfits:
            raise SpecError(
                f"the mask of {misfits[0]} has another shape than the weights",
                "the masks belong to another network",
            )
        self.masked = [named[name] for name in (masks or {})]
        self.masks = [
            mask.to(named[name].device, named[name].dtype) for name, mask in (masks or {}).items()
        ]
        self.apply_masks()

    def apply_masks(self) -> None:
        """Set the masked weights to zero, all layers in one go."""
        if self.masked:
            with torch.no_grad():
                torch._foreach_mul_([parameter.data for parameter in self.masked], self.masks)

    def generator(self, epoch: int, purpose: int = 0) -> torch.Generator:
        """Random numbers that depend on the seed, the epoch and the purpose alone, so that a resumed epoch is the same epoch."""
        return torch.Generator().manual_seed((self.task.seed * 1000003 + epoch) * 101 + purpose)

    def train_epoch(self, epoch: int) -> Tensor:
        """Train one epoch; the summed loss stays on the device until it is read."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr_at(epoch)
        self.model.train()
        total = torch.zeros((), device=self.data.train_labels.device)
        for images, labels in self.data.train_batches(
            self.task.schedule.batch, self.generator(epoch)
        ):
            self.optimizer.zero_grad(set_to_none=True)
            total += self._backward(images, labels)
            if self.sparsity:
                self._add_l1()
            self.watch.after_backward(self)
            self.optimizer.step()
            self.apply_masks()
            self.watch.after_step(self)
        return total

    def _backward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Gradients of the batch's mean loss, in micro-batches if asked; the summed loss of the batch, detached."""
        if self.task.micro_batch is None or len(labels) <= self.task.micro_batch:
            loss = self.loss(self.model(images), labels)
            loss.backward()
            return loss.detach() * len(labels)
        total = torch.zeros((), device=labels.device)
        for part, part_labels in zip(
            images.split(self.task.micro_batch), labels.split(self.task.micro_batch)
        ):
            loss = self.loss(self.model(part), part_labels) * (len(part_labels) / len(labels))
            loss.backward()
            total += loss.detach() * len(labels)
        return total

    def _add_l1(self) -> None:
        """Add sparsity * sign(scale) to the scales' gradients: the sub-gradient of the L1 term (sign(0) = 0)."""
        with torch.no_grad():
            torch._foreach_add_(
                [scale.grad for scale in self.scales], _signs(self.scales), alpha=self.sparsity
            )

    def checkpoint(self) -> Dict[str, Any]:
        """Everything that an exactly equal continuation needs."""
        return {
            "widths": self.model.widths,
            "state": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "accuracy_last": self.accuracy_last,
            "accuracy_best": self.accuracy_best,
            "best_epoch": self.best_epoch,
            "done": self.done,
            "watch": self.watch.state(),
        }

    def restore(self, saved: Dict[str, Any], end: int) -> None:
        """Continue from a checkpoint of a training to epoch `end`. Raises SpecError when it is another's; nothing on disk is touched."""
        try:
            self.model.load_state_dict(saved["state"])
            _load_optimizer(self.optimizer, saved["optimizer"])
            self.watch.load_state(saved["watch"])
            for name, kind in _PROGRESS.items():
                if not isinstance(saved[name], kind):
                    raise TypeError(f"{name} is {saved[name]!r}")
                setattr(self, name, saved[name])
            if not 0 <= self.epoch <= end:
                raise ValueError(
                    f"it is of epoch {self.epoch}, and the training ends with epoch {end}"
                )
        except (
            SpecError,
            RuntimeError,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            IndexError,
        ) as error:
            if lacks_memory(error):
                raise
            where = os.path.join(str(self.stage.folder), "checkpoint.pt")
            raise SpecError(
                f"{where} is not a checkpoint of this training of {self.task.model}, but another network's: {misfit(error)}",
                "put the stage's own checkpoint back, or delete the stage's folder to train it anew",
            ) from error
        self.has_checkpoint = True

    def result(self) -> Result:
        """What the stage leaves behind, on the CPU."""
        state = {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in self.model.state_dict().items()
        }
        return {
            "widths": self.model.widths,
            "state": state,
            "epoch": self.epoch,
            "accuracy_last": self.accuracy_last,
            "accuracy_best": self.accuracy_best,
            "best_epoch": self.best_epoch,
        }


# what a checkpoint says of the progress, and its types
_PROGRESS = {
    "epoch": int,
    "accuracy_last": float,
    "accuracy_best": float,
    "best_epoch": int,
    "done": bool,
}


def _load_optimizer(optimizer: Any, saved: Dict[str, Any]) -> None:
    """Put a saved state into an optimiser; torch itself compares neither the shapes nor the settings' names."""
    wanted = [
        set(group) & {"lr", "momentum", "dampening", "weight_decay"}
        for group in optimizer.param_groups
    ]
    optimizer.load_state_dict(saved)
    for names, group in zip(wanted, optimizer.param_groups):
        if names - set(group):
            raise ValueError(f"its optimiser has no {sorted(names - set(group))[0]}")
    for parameter, values in optimizer.state.items():
        momentum = values.get("momentum_buffer")
        if momentum is not None and momentum.shape != parameter.shape:
            raise ValueError(
                f"a momentum of {tuple(momentum.shape)} for weights of {tuple(parameter.shape)}"
            )


def _signs(scales: List[Tensor]) -> List[Tensor]:
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
    watch: Optional[Watch] = None,
    data: Optional[TensorData] = None,
    precision: str = "fp32",
) -> Result:
    """Train `network` (a result with "widths" and "state"; None: the freshly initialised dense network) and return the result.

    Epochs count from 0 in the schedule: training covers `from_epoch` up to, not including, `epochs` (None: the schedule's end) with a fresh
    optimiser. `sparsity` weighs the L1 term on normalisation scales; `masks` {parameter name: bool tensor} hold weights at zero.

    The result is {"widths", "state", "epoch", "accuracy_last", "accuracy_best", "best_epoch"}: `state` is the last epoch's, accuracies
    are shares of the test images from 0 to 1, `epoch` counts the schedule's epochs done. Interrupted at any moment, the same call
    continues from the last checkpoint and ends with bitwise the same result on the same machine. Raises TrainingError when the loss
    is not a number.
    """
    data = task.data() if data is None else data
    model = task.build() if network is None else task.network(network)
    model.to(memory_format=fastest_layout(task.device))
    counted = task_count(task, model, data.shape)
    check_parts(task, model, data.shape, len(data.train_labels))
    loop = Loop(stage, task, model, data, sparsity, masks, watch or Watch())
    loop.epoch = from_epoch
    loop.watch.begin(loop)
    stage.work(
        widths=model.widths,
        macs=counted.macs,
        forward_flops=counted.forward_flops,
        images_per_epoch=len(data.train_labels),
        batch=task.schedule.batch,
        precision=precision,
    )
    end = task.schedule.epochs if epochs is None else epochs
    saved = stage.resume()
    if saved is None:
        loop.watch.started(loop)
    else:
        loop.restore(saved, end)
    if (
        loop.epoch >= end and saved is None
    ):  # nothing left to train: the network is still somebody's last one, so it is tested
        loop.accuracy_last = loop.accuracy_best = evaluate(
            model, data, task.micro_batch or task.schedule.batch
        )
        loop.best_epoch = loop.epoch
        stage.metric(test_accuracy=loop.accuracy_last)
    while loop.epoch < end and not loop.done:
        _one_epoch(loop, end)
        if stage.stopping:
            stage.stop()
    return loop.result()


def fastest_layout(device: str) -> torch.memory_format:
    """The order of a convolution's numbers in memory that trains fastest.

    Channels last on a CPU with a current torch: measured on x86, a step of VGG16 took 5 % less time, of PreResNet-101 26 %, of VGG16 at
    an eighth of its width 28 %. With torch 1.10 it was slower than the usual order.
    """
    current = int(torch.__version__.split(".")[0]) >= 2
    return torch.channels_last if current and device == "cpu" else torch.contiguous_format


def _one_epoch(loop: Loop, end: int) -> None:
    epoch, begin_s = loop.epoch, time.monotonic()
    loop.watch.epoch_begin(loop, epoch)
    total = _trained(loop, epoch)
    loop.watch.epoch_trained(loop, epoch)
    loop.task.synchronize()
    train_end_s = time.monotonic()
    loss = float(total) / len(loop.data.train_labels)
    if not math.isfinite(loss):
        kept = f"; the checkpoint of epoch {epoch} is kept" if loop.has_checkpoint else ""
        remedy = f"lower the learning rate (it was {loop.lr_at(epoch):g}){kept}"
        raise TrainingError(f"the loss of epoch {epoch + 1} is not a number", remedy)
    accuracy = evaluate(loop.model, loop.data, loop.task.micro_batch or loop.task.schedule.batch)
    loop.accuracy_last, loop.epoch = accuracy, epoch + 1
    if accuracy > loop.accuracy_best:
        loop.accuracy_best, loop.best_epoch = accuracy, epoch + 1
    loop.done = bool(loop.watch.epoch_end(loop, epoch, accuracy))
    loop.stage.checkpoint(loop.checkpoint())
    loop.stage.epoch(
        epoch=epoch + 1,
        of=end,
        begin_s=begin_s,
        train_end_s=train_end_s,
        loss=loss,
        test_accuracy=accuracy,
        images=len(loop.data.train_labels),
    )
    loop.has_checkpoint = True


def _trained(loop: Loop, epoch: int) -> Tensor:
    try:
        return loop.train_epoch(epoch)
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
        raise TrainingError(
            f"there is not enough memory for {loop.task.model} with a batch of {loop.task.micro_batch or loop.task.schedule.batch}",
            "set micro_batch to a part of the batch (normalisation statistics are then those of the parts), or close what else runs",
        ) from error


def evaluate(model: nn.Module, data: TensorData, batch: int = 256) -> float:
    """The share of test images that the model gets right, each counted once; builds no graph."""
    return share_right(model, data.test_batches(batch))


def share_right(model: nn.Module, batches: Iterator[Tuple[Tensor, Tensor]]) -> float:
    """The share of the images of `batches` that the model gets right, in eval mode; its training mode is put back."""
    training = model.training
    model.eval()
    right, seen = 0, 0  # type: Any, int
    with torch.no_grad():
        for images, labels in batches:
            right = right + (model(images).argmax(1) == labels).sum()
            seen += len(labels)
    model.train(training)
    return float(right) / seen
