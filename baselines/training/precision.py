"""Training in 8 bits: hooks for block floating point (SWALP, QPyTorch) and for WAGE.

Options name a precision: `fp32`, `bfp8` (the Early-Bird authors' choice), `wage8` (the search of
their Figure 2). The arithmetic is simulated, so `stage.work` states the precision and the energy of
such a stage is an estimate.
"""

import math
import types
from typing import Any, Callable, Dict, List, Optional

import torch
from torch import Tensor, nn

from joulebird.baselines.training import lowprec
from joulebird.baselines.training.hooks import Hook
from joulebird.baselines.training.task import Schedule
from joulebird.harness.core.errors import require

NAMES = ("fp32", "bfp8", "wage8")
Format = Callable[[Tensor], Tensor]


def check_precision(option: str, precision: str) -> None:
    """Refuse an unknown precision as the value of `option`."""
    require(precision in NAMES, option, precision, '"fp32", "bfp8" or "wage8"')


def low_precision(
    precision: str, average_from: Optional[int] = None, epochs: int = 0, fresh: bool = True
) -> List[Hook]:
    """Return the hooks of a precision, none for "fp32". Raises SpecError for an unknown name.

    `average_from` averages the weights from that epoch of `epochs` on. `fresh` weights are at their
    start, so WAGE may draw its own.
    """
    check_precision("precision", precision)
    if precision == "fp32":
        return []
    averaging = [] if average_from is None else [Averaging(average_from, epochs)]
    return [BlockFloat() if precision == "bfp8" else Wage(fresh=fresh), *averaging]


def averaging_start(schedule: Schedule) -> int:
    """Return the epoch from which weights are averaged (the authors': 140 of 160).

    It is half-way between the last change of the learning rate and the end.

    >>> averaging_start(Schedule()), averaging_start(Schedule(epochs=10, milestones=()))
    (140, 5)
    """
    return (max(schedule.milestones, default=0) + schedule.epochs) // 2


def weighted_layers(model: nn.Module) -> List[Any]:
    """Return the convolutions and linear layers in forward order."""
    return [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


class _Rounded(torch.autograd.Function):
    """Rounds the activation on the way forward and the error on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, activation: Format, error: Format) -> Tensor:
        """Return the rounded activation."""
        ctx.error = error
        return activation(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Return the rounded error."""
        return ctx.error(gradients[0]), None, None


_rounded: Callable[[Tensor, Format, Format], Tensor] = _Rounded.apply


class BlockFloat(Hook):
    """8-bit block floating point for weights, gradients, momentum, activations and errors.

    Activations and errors are rounded behind each convolution and linear layer but the last, so
    logits, loss and the statistics of normalisation stay float32. There is no master copy of the
    weights. Blocks as in joulebird.baselines.training.lowprec: the defaults are QPyTorch's with
    dim=0; `block="small", activations="tensor", symmetric=False` are SWALP's. Rounding is random,
    with numbers that depend on seed and epoch alone; `stochastic=False` rounds to the nearest.
    """

    def __init__(
        self,
        bits: int = 8,
        block: str = "row",
        activations: str = "row",
        symmetric: bool = True,
        stochastic: bool = True,
    ) -> None:
        self.bits, self.block, self.activations = bits, block, activations
        self.symmetric, self.stochastic = symmetric, stochastic
        self.generator: Optional[torch.Generator] = None

    def begin(self, loop: Any) -> None:
        """Round behind each layer, and in the optimiser's step."""
        for layer in weighted_layers(loop.model)[:-1]:
            layer.register_forward_hook(self._round_output)
        loop.optimizer = RoundedSGD(
            loop.model.parameters(), self._weights, **loop.task.schedule.sgd()
        )
        if self.stochastic:
            self.generator = torch.Generator(device=next(loop.model.parameters()).device)

    def epoch_begin(self, loop: Any, epoch: int) -> None:
        """Seed the epoch's random numbers."""
        if self.generator is not None:
            self.generator.manual_seed(loop.generator(epoch, purpose=1).initial_seed())

    def _round_output(self, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return _rounded(output, self._activation, self._activation)

    def _activation(self, x: Tensor) -> Tensor:
        return lowprec.block_float(x, self.bits, self.activations, self.generator, self.symmetric)

    def _weights(self, x: Tensor) -> Tensor:
        return lowprec.block_float(x, self.bits, self.block, self.generator, self.symmetric)


class RoundedSGD(torch.optim.SGD):
    """SGD that rounds gradients before the step, then weights, then momentum.

    Weight decay acts on the rounded gradients.
    """

    def __init__(self, parameters: Any, rounded: Format, **options: Any) -> None:
        super().__init__(parameters, **options)
        self.rounded = rounded

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # no closure here
        """Make one rounded step."""
        parameters = [
            parameter
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        for parameter in parameters:
            parameter.grad.copy_(self.rounded(parameter.grad))
        super().step(closure)
        momenta = [self.state[parameter].get("momentum_buffer") for parameter in parameters]
        for tensor in [*parameters, *momenta]:
            if tensor is not None:
                tensor.copy_(self.rounded(tensor))


class Wage(Hook):
    """WAGE (Wu et al. 2018) in 8 bits, for networks with normalisation.

    Weights of convolutions and linear layers live on a grid and move by whole units drawn at
    random, at WAGE's own rate (`rate` times the schedule's decay), without momentum and decay.
    Activations and errors are rounded behind each ReLU; the loss is half the squared error. WAGE
    has neither biases nor normalisation: the schedule's SGD trains theirs in float32, as the L1
    term on scales needs. For their sake a rounded error gets its power of two back; the steps of
    the weights divide by one and so stay the same. `fresh` draws WAGE's uniform initial weights.
    """

    generator: torch.Generator

    def __init__(self, bits: int = 8, rate: float = 8.0, fresh: bool = True) -> None:
        self.bits, self.rate, self.fresh = bits, rate, fresh

    def begin(self, loop: Any) -> None:
        """Replace the layers' forward passes, the optimiser and the loss."""
        self.layers = weighted_layers(loop.model)
        for layer in self.layers:
            layer.wage_bits = self.bits
            layer.wage_alpha = wage_alpha(layer.weight[0].numel(), self.bits)
            layer.forward = types.MethodType(_wage_forward, layer)
        for module in loop.model.modules():
            if isinstance(module, nn.ReLU):
                module.register_forward_hook(self._round_output)
        self.generator = torch.Generator(device=self.layers[0].weight.device)
        schedule = loop.task.schedule
        loop.optimizer = WageSGD(
            self._groups(loop.model),
            self.bits,
            self.rate / schedule.lr,
            self.generator,
            **schedule.sgd(),
        )
        loop.loss = half_squared_error

    def _groups(self, model: nn.Module) -> List[Dict[str, Any]]:
        weights = [layer.weight for layer in self.layers]
        places = {id(weight) for weight in weights}
        others = [parameter for parameter in model.parameters() if id(parameter) not in places]
        return [{"params": weights, "grid": True}, {"params": others, "grid": False}]

    def started(self, loop: Any) -> None:
        """Draw the initial weights."""
        generator = loop.generator(0, purpose=3)
        for layer in self.layers if self.fresh else []:
            bound = wage_bound(layer.weight[0].numel(), self.bits)
            drawn = (torch.rand(layer.weight.shape, generator=generator) * 2 - 1) * bound
            layer.weight.data.copy_(lowprec.wage_weight(drawn, self.bits, 1.0))

    def epoch_begin(self, loop: Any, epoch: int) -> None:
        """Seed the epoch's random numbers."""
        self.generator.manual_seed(loop.generator(epoch, purpose=1).initial_seed())

    def _round_output(self, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        limit = 1 - 2.0 ** (1 - self.bits)
        # the clip stays outside the rounding, so that it stops the gradient of clipped values
        return _rounded(output.clamp(-limit, limit), self._activation, self._error)

    def _activation(self, x: Tensor) -> Tensor:
        return lowprec.fixed_point(x, self.bits)

    def _error(self, gradient: Tensor) -> Tensor:
        return lowprec.wage_error(gradient, self.bits) * lowprec.shift(gradient)


def _wage_forward(layer: Any, x: Tensor) -> Tensor:
    """Return the output of a weight on the grid; the stored weight gets the gradient."""
    stored = layer.weight
    rounded = lowprec.wage_weight(stored, layer.wage_bits, layer.wage_alpha)
    weight = stored + (rounded - stored).detach()
    linear = isinstance(layer, nn.Linear)
    return (nn.functional.linear if linear else layer._conv_forward)(x, weight, layer.bias)


def half_squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    """Return WAGE's loss: half the squared distance to the one-hot label, a mean over the batch."""
    # functional.one_hot would wait for the device to check the labels
    target = torch.zeros_like(logits).scatter_(1, labels[:, None], 1.0)
    return 0.5 * ((logits - target) ** 2).sum(1).mean()


def wage_alpha(fan_in: int, bits: int) -> float:
    """Return the power of two that divides a layer's weights.

    With it a coarse grid still gives the variance of a good start.

    >>> [wage_alpha(fan_in, 2) for fan_in in (27, 1152, 4608)], wage_alpha(27, 8)
    ([2.0, 16.0, 32.0], 1.0)
    """
    return max(2.0 ** round(math.log2(_coarsest(bits) / math.sqrt(3 / fan_in))), 1.0)


def wage_bound(fan_in: int, bits: int) -> float:
    """Return the bound of the uniform initial weights."""
    return max(_coarsest(bits), math.sqrt(3 / fan_in))


def _coarsest(bits: int) -> float:
    """Return one and a half units: weights that start below would all round to zero."""
    return 1.5 * 2.0 ** (1 - bits)


class WageSGD(torch.optim.SGD):
    """WAGE's step for groups marked `grid`, which uses up their gradients; SGD for the others."""

    def __init__(
        self, groups: Any, bits: int, scale: float, generator: torch.Generator, **options: Any
    ) -> None:
        super().__init__(groups, **options)
        self.bits, self.scale, self.generator = bits, scale, generator

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # no closure here
        """Make one step."""
        for group in self.param_groups:
            rate = self.scale * group["lr"]
            for parameter in group["params"] if group["grid"] else []:
                if parameter.grad is not None:
                    update = lowprec.wage_update(parameter.grad, rate, self.bits, self.generator)
                    parameter.copy_(lowprec.clipped(parameter, self.bits) - update)
                    parameter.grad = None
        super().step(closure)


class Averaging(Hook):
    """Weight averaging (SWALP): the float32 mean of the weights after each epoch from `start` on.

    In the last of `epochs` the mean becomes the network. The statistics of normalisation are then
    computed anew in one pass over the augmented training images, before the last test.
    """

    saved = ("count", "mean")

    def __init__(self, start: int, epochs: int) -> None:
        self.start, self.epochs, self.count = start, epochs, 0
        self.mean: Dict[str, Tensor] = {}

    def begin(self, loop: Any) -> None:
        """Note the shapes that a checkpoint must have."""
        self.shapes = {name: parameter.shape for name, parameter in loop.model.named_parameters()}

    def epoch_trained(self, loop: Any, epoch: int) -> None:
        """Add the epoch's weights to the mean."""
        if epoch < self.start:
            return
        self.count += 1
        with torch.no_grad():
            for name, parameter in loop.model.named_parameters():
                before = self.mean.get(name, torch.zeros_like(parameter)).to(parameter.device)
                self.mean[name] = before + (parameter - before) / self.count
        if epoch + 1 == self.epochs:
            self._replace_weights(loop, epoch)

    def _replace_weights(self, loop: Any, epoch: int) -> None:
        with torch.no_grad():
            for name, parameter in loop.model.named_parameters():
                parameter.copy_(self.mean[name])
        batch, generator = loop.task.schedule.batch, loop.generator(epoch, purpose=2)
        recompute_statistics(loop.model, loop.data.train_batches(batch, generator))
        loop.stage.metric(averaged_epochs=self.count)

    def load_state(self, state: Dict[str, Any]) -> None:
        """Restore the mean. Raises ValueError for weights of other shapes."""
        super().load_state(state)
        if self.mean and {name: mean.shape for name, mean in self.mean.items()} != self.shapes:
            raise ValueError("its averaged weights have other shapes")


def recompute_statistics(model: nn.Module, batches: Any) -> None:
    """Set running means and variances to their averages over `batches`, weighed by images."""
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
