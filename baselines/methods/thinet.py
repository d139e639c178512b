"""ThiNet (Luo, Wu, Lin 2017): drop channels by their effect on the next layer's output.

For a channel c of a layer's input, a sampled output (image, filter f, place) gives x[c], the part
of that output that comes from c; all parts add up to the output y without its bias. Greedily, the
channel set T with the smallest squared sum is dropped, and each other channel is rescaled
to the least-squares fit of y. All of that follows from the Gram matrix G = X'X: one pass
over the samples in O(rows * C^2), nothing of size rows x C is ever stored.
"""

import contextlib
from typing import Any, Iterable, List, Tuple

import numpy
import torch
from torch import Tensor, nn

from joulebird.baselines.models.base import Prunable, cpu_state
from joulebird.baselines.pruning.channels import check_ratio, cut_one
from joulebird.baselines.training.loop import train, use_fastest_layout
from joulebird.baselines.training.task import Result, Task
from joulebird.harness.core.errors import require


def thinet(
    task: Task,
    run: Any,
    *,
    mode: str = "table2",
    rows: int = 100000,
    locations: int = 10,
    layers: int = 0,
    tune_lr: float = 1e-3,
    tune_epochs: int = 1,
    final_epochs: int = 12,
) -> Any:
    """Train densely, prune each layer's channels by the next layer's output, train the rest.

    `mode="table2"`: all layers one after the other, then the full schedule from its first learning
    rate. `mode="paper"`: after each layer (each block of a residual network) `tune_epochs` at
    `tune_lr`, then `final_epochs` more, a tenth of the rate after each third. `rows` outputs are
    sampled for each layer, `locations` from each image; `layers` prunes only that many, counted
    from the input (0: all; the official VGG16 run prunes 10).
    """
    require(mode in ("table2", "paper"), "mode", mode, '"table2" or "paper"')
    for name, value in (
        ("rows", rows),
        ("locations", locations),
        ("tune_epochs", tune_epochs),
        ("final_epochs", final_epochs),
    ):
        require(value >= 1, name, value, "at least 1")
    require(0 < tune_lr < float("inf"), "tune_lr", tune_lr, "above 0")
    groups = target_groups(task.build(), layers)

    def prune(name: str, network: Any, first: int, end: int) -> Any:
        inputs = task, network, task.prune_ratio, first, end
        return run.stage(name, prune_layers, *inputs, rows=rows, locations=locations)

    network = run.stage("dense", train, task)
    if mode == "table2":
        thin = prune("prune", network, groups[0][0], groups[-1][-1] + 1)
        return run.stage("retrain", train, task, thin)
    tuning = task.schedule._replace(lr=tune_lr, milestones=(), epochs=tune_epochs)
    for number, group in enumerate(groups, 1):
        network = prune(f"prune-{number}", network, group[0], group[-1] + 1)
        if number < len(groups):
            network = run.stage(f"tune-{number}", train, task._replace(schedule=tuning), network)
    steps = (final_epochs // 3, 2 * final_epochs // 3)
    final = tuning._replace(milestones=steps, epochs=final_epochs)
    return run.stage("tune", train, task._replace(schedule=final), network)


def target_groups(network: Prunable, layers: int = 0) -> List[List[int]]:
    """Return the places in `thinet_targets()` that are pruned between two fine-tunings.

    These are single layers, or the two of each residual bottleneck: where a block's own input and
    output stay, the norms of its targets are neighbours and the block's others lie between.
    """
    norms = [target.norm for target in network.thinet_targets()]
    most = len(norms)
    wanted = f"from 1 to the {most} that ThiNet prunes in this network, or 0 for all"
    require(0 <= layers <= most, "layers", layers, wanted)
    places = range(layers or most)
    alone = len(network.norms()) == most
    firsts = [at for at in places if alone or not at or norms[at] != norms[at - 1] + 1]
    ends = [*firsts[1:], len(places)]
    return [list(range(first, end)) for first, end in zip(firsts, ends)]


def prune_layers(
    stage: Any,
    task: Task,
    network: Result,
    ratio: float,
    first: int,
    end: int,
    *,
    rows: int,
    locations: int,
) -> Result:
    """Prune the targets from `first` up to, not including, `end`, one after the other.

    Result: {"widths", "state"} of the thin network. Samples depend on seed and layer alone. A
    killed pruning begins again: it takes minutes, and only epochs are checkpointed.
    """
    check_ratio(ratio)
    model, data = task.network(network).eval(), task.data()
    use_fastest_layout(model, task.device)
    errors: List[float] = []
    generator = torch.Generator().manual_seed(task.seed)
    images = stratified(data.train_labels.cpu(), -(-rows // locations), generator)
    for place in range(first, end):
        generator = torch.Generator().manual_seed(task.seed * 1000003 + place)
        batches = (part for part, _ in data.plain_batches(task.test_batch, order=images))
        model, error = prune_layer(model, place, ratio, batches, locations, generator)
        use_fastest_layout(model, task.device)
        errors.append(error)
        if stage.stopping:
            stage.stop()
    stage.metric(images=len(images), rows=len(images) * locations, relative_errors=errors)
    return {"widths": model.widths, "state": cpu_state(model)}


def prune_layer(
    model: Prunable,
    place: int,
    ratio: float,
    batches: Iterable[Tensor],
    locations: int,
    generator: torch.Generator,
) -> Tuple[Prunable, float]:
    """Return the network without the share `ratio` of one target's channels, and the error.

    The next layer is rescaled to make up for them. The error is the squared one of its sampled
    outputs, relative to their own square. `model` is not changed.
    """
    target = model.thinet_targets()[place]
    channels = target.conv.out_channels
    keep = kept_count(channels, ratio)
    if keep == channels:
        return model, 0.0
    gram = gram_matrix(model, target.next, channels, batches, locations, generator)
    kept = sorted(set(range(channels)) - set(greedy(gram, keep)))
    factors = least_squares(gram, kept)
    thin = cut_one(model, target.norm, torch.tensor(kept))
    scale_inputs(thin.thinet_targets()[place].next, torch.from_numpy(factors))
    total = float(gram.sum())
    return thin, squared_error(gram, kept, factors) / total if total > 0 else 0.0


def scale_inputs(layer: Any, factors: Tensor) -> None:
    """Multiply a layer's weights of each input channel by the channel's factor, in place."""
    weight = layer.weight.detach()
    factors = factors.to(weight.device, weight.dtype)
    runs = factors.repeat_interleave(weight.size(1) // len(factors))
    weight.mul_(runs.view(1, -1, *[1] * (weight.dim() - 2)))


def stratified(labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return the indices of about `count` images in random order, equally many of each class.

    A class with too few images gives all of them.

    >>> stratified(torch.tensor([0, 0, 0, 0, 1, 1]), 4, torch.Generator()).sort()[0].tolist()[-2:]
    [4, 5]
    """
    order = torch.randperm(len(labels), generator=generator)
    classes = labels.unique().tolist()
    most = -(-count // len(classes))
    chosen = torch.cat([order[labels[order] == label][:most] for label in classes])
    return chosen[torch.randperm(len(chosen), generator=generator)]


def kept_count(channels: int, ratio: float) -> int:
    """Return int(channels * (1 - ratio)), at least one, safe against 10 * (1 - 0.9) = 0.9999.

    >>> kept_count(64, 0.3), kept_count(10, 0.9), kept_count(4, 0.9)
    (44, 1, 1)
    """
    return max(1, int(channels * (1 - ratio) + 1e-9))


def greedy(gram: numpy.ndarray, keep: int) -> List[int]:
    """Return the channels to drop so that `keep` are left, in the order of their choice.

    This is algorithm 1 of the ICCV paper. Each step adds the channel that makes the squared sum of
    the dropped columns smallest: with s = G times the indicator of the dropped ones that is the
    least 2 s_j + G_jj; of equal ones the first.

    >>> greedy(numpy.array([[4., 0.], [0., 1.]]), 1)
    [1]
    """
    score = gram.diagonal().astype(float)
    dropped: List[int] = []
    while len(dropped) < len(gram) - keep:
        dropped.append(int(numpy.argmin(score)))
        score = score + 2 * gram[dropped[-1]]
        score[dropped] = numpy.inf
    return dropped


def least_squares(gram: numpy.ndarray, kept: List[int]) -> numpy.ndarray:
    """Return the kept channels' factors: the least-squares fit of the whole output.

    Right-hand side: X_S' y is the sum of the rows S of G, since y is the sum of all columns.
    Channels that never carried anything make the system singular; the solution of least norm is
    taken (the official code fails there).

    >>> least_squares(numpy.eye(2), [0, 1]).tolist()
    [1.0, 1.0]
    """
    within = gram[numpy.ix_(kept, kept)]
    return numpy.linalg.lstsq(within, gram[kept].sum(axis=1), rcond=None)[0]


def squared_error(gram: numpy.ndarray, kept: List[int], factors: numpy.ndarray) -> float:
    """Return the output's squared error with only the `kept` channels, each times its factor."""
    change = numpy.full(len(gram), -1.0)
    change[kept] = numpy.asarray(factors) - 1.0
    return float(change @ gram @ change)


class _Reached(Exception):
    """Ends a forward pass as soon as the wanted input is known."""


def layer_input(network: nn.Module, layer: nn.Module, images: Tensor) -> Tensor:
    """Return the input of `layer` for `images`; the forward pass stops there."""
    caught: List[Tensor] = []

    def catch(_module: nn.Module, inputs: Any) -> None:
        caught.append(inputs[0])
        raise _Reached

    handle = layer.register_forward_pre_hook(catch)
    try:
        with torch.no_grad(), contextlib.suppress(_Reached):
            network(images)
    finally:
        handle.remove()
    return caught[0]


def channel_parts(
    layer: Any,
    inputs: Tensor,
    channels: int,
    locations: int,
    generator: torch.Generator,
) -> Tensor:
    """Return rows of X: `locations` random outputs of each image in their channels' parts.

    The layer is a convolution (any stride, padding, dilation; one group), or a linear layer behind
    a pooling, whose inputs then belong to the channels in equal runs. Every row sums to the layer's
    output at that place without the bias. Shape (images * locations, channels).
    """
    count = len(inputs) * locations
    images = torch.arange(len(inputs)).repeat_interleave(locations).to(inputs.device)
    filters = _draw(len(layer.weight), count, generator, inputs)
    if isinstance(layer, nn.Linear):
        return (inputs[images] * layer.weight[filters]).view(count, channels, -1).sum(2)
    (pad_y, pad_x), (step_y, step_x), (gap_y, gap_x) = layer.padding, layer.stride, layer.dilation
    padded = nn.functional.pad(inputs, (pad_x, pad_x, pad_y, pad_y))
    high, wide = layer.kernel_size
    rows = (padded.size(2) - gap_y * (high - 1) - 1) // step_y + 1
    columns = (padded.size(3) - gap_x * (wide - 1) - 1) // step_x + 1
    top = step_y * _draw(rows, count, generator, inputs)
    left = step_x * _draw(columns, count, generator, inputs)
    parts = torch.zeros(count, channels, dtype=inputs.dtype, device=inputs.device)
    for y in range(high):
        for x in range(wide):
            part = padded[images, :, top + gap_y * y, left + gap_x * x]
            parts += part * layer.weight[filters, :, y, x]
    return parts


def gram_matrix(
    network: nn.Module,
    layer: nn.Module,
    channels: int,
    batches: Iterable[Tensor],
    locations: int,
    generator: torch.Generator,
) -> numpy.ndarray:
    """Return G = X'X in float64 over all `batches` of images, for a `network` in eval mode."""
    gram: Any = None
    with torch.no_grad():
        for images in batches:
            inputs = layer_input(network, layer, images)
            parts = channel_parts(layer, inputs, channels, locations, generator).double()
            gram = parts.t() @ parts if gram is None else gram.addmm_(parts.t(), parts)
    return gram.cpu().numpy()


def _draw(limit: int, count: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """Return `count` random integers below `limit`, drawn on the CPU: the same on every device."""
    return torch.randint(limit, (count,), generator=generator).to(like.device)
