"""Training in 8 bits: watches that make the one training loop run in block floating point (SWALP, QPyTorch) or WAGE.

Names for options: `fp32`, `bfp8` (what the Early-Bird authors run), `wage8` (the search of their Figure 2). The arithmetic
is simulated, so a stage trained here carries its precision in `stage.work`, and its energy is an estimate.
"""

import types
from typing import Any, Callable, Dict, List, Optional

import torch
from torch import Tensor, nn
from torch.nn import functional

from joulebird.baselines.training import lowprec
from joulebird.baselines.training.hooks import Watch, Watches
from joulebird.baselines.training.schedule import Schedule
from joulebird.harness.core.errors import SpecError
from joulebird.harness.core.registry import nearest

NAMES = ("fp32", "bfp8", "wage8")
Format = Callable[[Tensor], Tensor]


def watched(
    precision: str,
    watch: Optional[Watch] = None,
    average_from: Optional[int] = None,
    epochs: int = 0,
    fresh: bool = True,
) -> Watch:
    """`watch` and what `precision` needs, as one watch; `average_from` averages the weights from that epoch of `epochs` on.

    `fresh`: the weights are at their start, so WAGE may draw its own. Raises SpecError for an unknown name.
    """
    check_precision("precision", precision)
    watches = (
        [] if precision == "fp32" else [BlockFloat() if precision == "bfp8" else Wage(fresh=fresh)]
    )  # type: List[Watch]
    if precision != "fp32" and average_from is not None:
        watches.append(Averaging(average_from, epochs))
    return Watches(watches + ([watch] if watch else []))


def check_precision(option: str, precision: str) -> None:
    """Refuse an unknown precision, the value of `option`."""
    if precision not in NAMES:
        raise SpecError(
            f"{option} is {precision!r}, and no precision is called so", nearest(precision, NAMES)
        )


def averaging_start(schedule: Schedule) -> int:
    """The epoch from which weights are averaged: half-way between the last change of the rate and the end (the authors': 140 of 160).

    >>> averaging_start(Schedule()), averaging_start(Schedule(epochs=10, milestones=()))
    (140, 5)
    """
    return (max(schedule.milestones, default=0) + schedule.epochs) // 2


class _Rounded(torch.autograd.Function):
    """Rounds the activation on the way forward and the error on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, activation: Format, error: Format) -> Tensor:
        ctx.error = error
        return activation(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return ctx.error(gradient), None, None


class BlockFloat(Watch):
    """8-bit block floating point everywhere: weights, gradients, momentum, activations and errors, rounded at random.

    Activations and errors are rounded behind each convolution and linear layer but the last, so logits, loss and the statistics of
    normalisation stay float32; there is no master copy of the weights. Blocks as in joulebird.baselines.training.lowprec: by default the ones QPyTorch makes
    with dim=0, `block="small", activations="tensor", symmetric=False` are SWALP's. Random numbers depend on seed and epoch
    alone. `stochastic=False` rounds to the nearest.
    """

    def __init__(
        self,
        bits: int = 8,
        block: str = "row",
        activations: str = "row",
        symmetric: bool = True,
        stochastic: bool = True,
    ) -> None:
        self.bits, self.block, self.activations, self.symmetric, self.stochastic = (
            bits,
            block,
            activations,
            symmetric,
            stochastic,
        )
        self.generator = None  # type: Optional[torch.Generator]

    def begin(self, loop: Any) -> None:
        layers = [
            module for module in loop.model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
        ]
        for layer in layers[:-1]:
            layer.register_forward_hook(self._hook)
        schedule = loop.task.schedule
        loop.optimizer = RoundedSGD(
            loop.model.parameters(),
            self._weights,
            lr=schedule.lr,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
        )
        if self.stochastic:
            self.generator = torch.Generator(device=next(loop.model.parameters()).device)

    def epoch_begin(self, loop: Any, epoch: int) -> None:
        if self.generator is not None:
            self.generator.manual_seed(loop.generator(epoch, purpose=1).initial_seed())

    def _hook(self, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return _Rounded.apply(output, self._activation, self._activation)

    def _activation(self, x: Tensor) -> Tensor:
        return lowprec.block_float(x, self.bits, self.activations, self.generator, self.symmetric)

    def _weights(self, x: Tensor) -> Tensor:
        return lowprec.block_float(x, self.bits, self.block, self.generator, self.symmetric)


class RoundedSGD(torch.optim.SGD):
    """SGD whose gradients are rounded before the step, its weights and then its momentum after it; weight decay comes in between."""

    def __init__(self, parameters: Any, rounded: Format, **options: Any) -> None:
        super().__init__(parameters, **options)
        self.rounded = rounded

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        parameters = [
            parameter
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        for parameter in parameters:
            parameter.grad.copy_(self.rounded(parameter.grad))
        super().step(closure)
        for parameter in parameters:
            parameter.copy_(self.rounded(parameter))
        for parameter in parameters:
            momentum = self.state[parameter].get("momentum_buffer")
            if momentum is not None:
                momentum.copy_(self.rounded(momentum))


class Wage(Watch):
    """WAGE (Wu et al. 2018) with 8 bits for weights, activations, gradients and errors, for networks with normalisation.

    Weights of convolutions and linear layers live on a grid and move by whole units drawn at random, at WAGE's own rate
    (`rate` times the schedule's decay); no momentum and no decay for them. Activations and errors are rounded behind each
    ReLU; the loss is half the squared error. WAGE has neither biases nor normalisation: theirs are trained in float32 by the
    schedule's SGD, as the L1 term on scales needs. For their sake a rounded error gets its power of two back; the steps of
    the weights, which divide by one, are the same with it. `fresh` draws WAGE's uniform initial weights.
    """

    def __init__(self, bits: int = 8, rate: float = 8.0, fresh: bool = True) -> None:
        self.bits, self.rate, self.fresh = bits, rate, fresh
        self.generator = None  # type: Optional[torch.Generator]

    def begin(self, loop: Any) -> None:
        self.layers = [
            module for module in loop.model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
        ]
        for layer in self.layers:
            layer.wage_bits, layer.wage_alpha = (
                self.bits,
                lowprec.wage_alpha(layer.weight[0].numel(), self.bits),
            )
            layer.forward = types.MethodType(_wage_forward, layer)
        for module in loop.model.modules():
            if isinstance(module, nn.ReLU):
                module.register_forward_hook(self._hook)
        self.generator = torch.Generator(device=self.layers[0].weight.device)
        schedule = loop.task.schedule
        loop.optimizer = WageSGD(
            self._groups(loop.model),
            self.bits,
            self.rate / schedule.lr,
            self.generator,
            lr=schedule.lr,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
        )
        loop.loss = half_squared_error

    def _groups(self, model: nn.Module) -> List[Dict[str, Any]]:
        weights = [layer.weight for layer in self.layers]
        places = {id(weight) for weight in weights}
        others = [parameter for parameter in model.parameters() if id(parameter) not in places]
        return [{"params": weights, "grid": True}, {"params": others, "grid": False}]

    def started(self, loop: Any) -> None:
        generator = loop.generator(0, purpose=3)
        for layer in self.layers if self.fresh else []:
            bound = lowprec.wage_bound(layer.weight[0].numel(), self.bits)
            drawn = (torch.rand(layer.weight.shape, generator=generator) * 2 - 1) * bound
            layer.weight.data.copy_(lowprec.wage_weight(drawn, self.bits, 1.0))

    def epoch_begin(self, loop: Any, epoch: int) -> None:
        self.generator.manual_seed(loop.generator(epoch, purpose=1).initial_seed())

    def _hook(self, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        limit = 1 - 2.0 ** (1 - self.bits)
        # the clip outside the rounding, so that no gradient passes where it cut
        return _Rounded.apply(output.clamp(-limit, limit), self._activation, self._error)

    def _activation(self, x: Tensor) -> Tensor:
        return lowprec.fixed_point(x, self.bits)

    def _error(self, gradient: Tensor) -> Tensor:
        return lowprec.wage_error(gradient, self.bits) * lowprec.shift(gradient)


def _wage_forward(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer with its weight as the grid has it; the gradient goes straight through to the weight that is stored."""
    stored = layer.weight
    weight = (
        stored + (lowprec.wage_weight(stored, layer.wage_bits, layer.wage_alpha) - stored).detach()
    )
    return (
        functional.linear(x, weight, layer.bias)
        if isinstance(layer, nn.Linear)
        else layer._conv_forward(x, weight, layer.bias)
    )


def half_squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    """WAGE's loss: half the squared distance to the one-hot label, a mean over the batch."""
    target = torch.zeros_like(logits).scatter_(
        1, labels[:, None], 1.0
    )  # functional.one_hot reads the labels to check them
    return 0.5 * ((logits - target) ** 2).sum(1).mean()


class WageSGD(torch.optim.SGD):
    """WAGE's step for the groups marked `grid`, plain SGD for the others. Gradients of the first are used up."""

    def __init__(
        self, groups: Any, bits: int, scale: float, generator: torch.Generator, **options: Any
    ) -> None:
        super().__init__(groups, **options)
        self.bits, self.scale, self.generator = bits, scale, generator

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"] if group["grid"] else []:
                if parameter.grad is not None:
                    update = lowprec.wage_update(
                        parameter.grad, self.scale * group["lr"], self.bits, self.generator
                    )
                    parameter.copy_(lowprec.clipped(parameter, self.bits) - update)
                    parameter.grad = None
        super().step(closure)


class Averaging(Watch):
    """Weight averaging (SWALP): the float32 mean of the weights after each epoch from `start` on, in the last of `epochs` the network.

    The statistics of normalisation are then computed anew in one pass over the augmented training images, before the last test.
    """

    def __init__(self, start: int, epochs: int) -> None:
        self.start, self.epochs, self.count = start, epochs, 0
        self.mean = {}  # type: Dict[str, Tensor]

    def begin(self, loop: Any) -> None:
        self.shapes = {name: parameter.shape for name, parameter in loop.model.named_parameters()}

    def epoch_trained(self, loop: Any, epoch: int) -> None:
        if epoch < self.start:
            return
        self.count += 1
        with torch.no_grad():
            for name, parameter in loop.model.named_parameters():
                mean = (
                    self.mean[name].to(parameter.device)
                    if name in self.mean
                    else torch.zeros_like(parameter)
                )
                self.mean[name] = mean + (parameter - mean) / self.count
            if epoch + 1 == self.epochs:
                for name, parameter in loop.model.named_parameters():
                    parameter.copy_(self.mean[name])
                recompute_statistics(
                    loop.model,
                    loop.data.train_batches(
                        loop.task.schedule.batch, loop.generator(epoch, purpose=2)
                    ),
                )
                loop.stage.metric(averaged_epochs=self.count)

    def state(self) -> Dict[str, Any]:
        return {"count": self.count, "mean": self.mean}

    def load_state(self, state: Dict[str, Any]) -> None:
        self.count, self.mean = state["count"], dict(state["mean"])
        if self.mean and {name: mean.shape for name, mean in self.mean.items()} != self.shapes:
            raise ValueError("its averaged weights have other shapes")


def recompute_statistics(model: nn.Module, batches: Any) -> None:
    """Set every running mean and variance to the average over `batches` of (images, labels), each weighed by its images."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    kept, training, seen = [norm.momentum for norm in norms], model.training, 0
    model.train()
    with torch.no_grad():
        for images, _ in batches:
            seen += len(images)
            for norm in norms:
                norm.momentum = len(images) / seen
            model(images)
    for norm, momentum in zip(norms, kept):
        norm.momentum = momentum
    model.train(training)
