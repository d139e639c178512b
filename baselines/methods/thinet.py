"""ThiNet (Luo, Wu, Lin 2017): drop the channels whose loss the next layer's output feels least, layer by layer.

For a channel c of a layer's input, a sampled output (image, filter f, place) gives x[c], the part of that output that
comes from c; all parts add up to the output y without its bias. Greedily, the channel set T with the smallest squared sum
is dropped, and what is kept is rescaled channel by channel to the least-squares fit of y. All of that follows from the
Gram matrix G = X'X: one pass over the samples in O(rows * C^2), nothing of size rows x C is ever stored.
"""

from typing import Any, Dict, Iterable, List, Tuple

import numpy
import torch
from torch import nn
from torch.nn import functional

from joulebird.baselines.models.base import Prunable
from joulebird.baselines.pruning.channels import check_ratio, cut_one
from joulebird.baselines.training.loop import fastest_layout, train
from joulebird.baselines.training.task import Task
from joulebird.harness.core.errors import require

Result = Dict[str, Any]


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
    """Train densely, prune every layer's channels by how little the next layer misses them, train what is left.

    `mode="table2"`: all layers one after the other, then the full schedule from its first learning rate. `mode="paper"`: after each
    layer (each block of a residual network) `tune_epochs` at `tune_lr`, then `final_epochs` more, a tenth of the rate after each third.
    `rows` outputs are sampled for each layer, `locations` from each image; `layers` prunes only that many, counted from the input (0:
    all; the official VGG16 run prunes 10).
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
    network = task.build()
    most = len(network.thinet_targets())
    require(
        0 <= layers <= most,
        "layers",
        layers,
        f"from 1 to the {most} that ThiNet prunes in {task.model}, or 0 for all",
    )
    sampling, groups = {"rows": rows, "locations": locations}, target_groups(network, layers)
    network = run.stage("dense", train, task)
    if mode == "table2":
        thin = run.stage(
            "prune",
            prune_layers,
            task,
            network,
            task.prune_ratio,
            groups[0][0],
            groups[-1][-1] + 1,
            **sampling,
        )
        return run.stage("retrain", train, task, thin)
    tuning = task._replace(
        schedule=task.schedule._replace(lr=tune_lr, milestones=(), epochs=tune_epochs)
    )
    for number, group in enumerate(groups, 1):
        network = run.stage(
            f"prune-{number}",
            prune_layers,
            task,
            network,
            task.prune_ratio,
            group[0],
            group[-1] + 1,
            **sampling,
        )
        if number < len(groups):
            network = run.stage(f"tune-{number}", train, tuning, network)
    steps = (final_epochs // 3, 2 * final_epochs // 3)
    return run.stage(
        "tune",
        train,
        task._replace(schedule=tuning.schedule._replace(milestones=steps, epochs=final_epochs)),
        network,
    )


def target_groups(network: Prunable, layers: int = 0) -> List[List[int]]:
    """Places in `thinet_targets()` that are pruned between two fine-tunings: each layer, or the two of each residual bottleneck.

    Where a block's own input and output stay, the norms of its targets are neighbours and the block's others lie between.
    """
    norms = [target.norm for target in network.thinet_targets()]
    norms = norms[:layers] if layers else norms
    if len(network.norms()) == len(network.thinet_targets()):
        return [[place] for place in range(len(norms))]
    groups = []  # type: List[List[int]]
    for place, norm in enumerate(norms):
        if place and norm == norms[place - 1] + 1:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


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
    """Prune the targets `first` up to, not including, `end` of `network`, each on the network as the earlier ones left it.

    Result: {"widths", "state"} of the thin network. What is sampled depends on seed and layer alone. A killed pruning begins again:
    it takes minutes, and only epochs are checkpointed.
    """
    check_ratio(ratio)
    layout = fastest_layout(task.device)
    model, data, errors = task.network(network).eval().to(memory_format=layout), task.data(), []
    images = stratified(
        data.train_labels.cpu(), -(-rows // locations), torch.Generator().manual_seed(task.seed)
    )
    batch = task.micro_batch or task.schedule.batch
    for place in range(first, end):
        generator = torch.Generator().manual_seed(task.seed * 1000003 + place)
        batches = (part for part, _ in data.plain_batches(batch, order=images))
        model, error = prune_layer(model, place, ratio, batches, locations, generator)
        model, errors = model.to(memory_format=layout), errors + [error]
        if stage.stopping:
            stage.stop()
    stage.metric(images=len(images), rows=len(images) * locations, relative_errors=errors)
    state = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in model.state_dict().items()
    }
    return {"widths": model.widths, "state": state}


def prune_layer(
    model: Prunable,
    place: int,
    ratio: float,
    batches: Iterable[torch.Tensor],
    locations: int,
    generator: torch.Generator,
) -> Tuple[Prunable, float]:
    """The network without the share `ratio` of one target's channels, the next layer rescaled to make up for them.

    Also returns the squared error of the next layer's sampled outputs, relative to these outputs' own square. `model` is not touched.
    """
    target = model.thinet_targets()[place]
    channels = target.conv.out_channels
    keep = kept_count(channels, ratio)
    if keep == channels:
        return model, 0.0
    gram = gram_matrix(model, target.next, channels, batches, locations, generator)
    dropped = set(greedy(gram, keep))
    kept = [channel for channel in range(channels) if channel not in dropped]
    factors = least_squares(gram, kept)
    thin = cut_one(model, target.norm, torch.tensor(kept))
    scale_inputs(thin.thinet_targets()[place].next, torch.from_numpy(factors))
    total = float(gram.sum())
    return thin, squared_error(gram, kept, factors) / total if total > 0 else 0.0


def scale_inputs(layer: nn.Module, factors: torch.Tensor) -> None:
    """Multiply what `layer` takes from each input channel by the channel's factor, in place; its bias stays."""
    weight = layer.weight.detach()
    factors = factors.to(weight.device, weight.dtype)
    if isinstance(layer, nn.Linear):
        weight.mul_(factors.repeat_interleave(weight.size(1) // len(factors)))
    else:
        weight.mul_(factors.view(1, -1, 1, 1))


def stratified(labels: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Indices of about `count` images in random order, equally many of each class as far as there are any.

    >>> stratified(torch.tensor([0, 0, 0, 0, 1, 1]), 4, torch.Generator()).sort()[0].tolist()[-2:]
    [4, 5]
    """
    order = torch.randperm(len(labels), generator=generator)
    classes = labels.unique().tolist()
    chosen = torch.cat(
        [order[labels[order] == one][: -(-count // len(classes))] for one in classes]
    )
    return chosen[torch.randperm(len(chosen), generator=generator)]


def kept_count(channels: int, ratio: float) -> int:
    """Channels left of `channels`: int(channels * (1 - ratio)), at least one, safe against 10 * (1 - 0.9) = 0.9999.

    >>> kept_count(64, 0.3), kept_count(10, 0.9), kept_count(4, 0.9)
    (44, 1, 1)
    """
    return max(1, int(channels * (1 - ratio) + 1e-9))


def greedy(gram: numpy.ndarray, keep: int) -> List[int]:
    """The channels to drop, in the order of their choice, so that `keep` are left (ICCV paper, algorithm 1).

    Each step adds the channel that makes the squared sum of the dropped columns smallest: with s = G times the indicator of the
    dropped ones that is the least 2 s_j + G_jj; of equal ones the first.

    >>> greedy(numpy.array([[4., 0.], [0., 1.]]), 1)
    [1]
    """
    score, dropped = gram.diagonal().astype(float), []
    for _ in range(len(gram) - keep):
        choice = int(numpy.argmin(score))
        dropped.append(choice)
        score = score + 2 * gram[choice]
        score[dropped] = numpy.inf
    return dropped


def least_squares(gram: numpy.ndarray, kept: List[int]) -> numpy.ndarray:
    """One factor for each kept channel: the least-squares fit of the whole output by the kept channels' parts.

    Right-hand side: X_S' y is the sum of the rows S of G, since y is the sum of all columns. Channels that never
    carried anything make the system singular; the solution of least norm is taken (the official code fails there).

    >>> least_squares(numpy.eye(2), [0, 1]).tolist()
    [1.0, 1.0]
    """
    within, target = gram[numpy.ix_(kept, kept)], gram[kept].sum(axis=1)
    return numpy.linalg.lstsq(within, target, rcond=None)[0]


def squared_error(gram: numpy.ndarray, kept: List[int], factors: numpy.ndarray) -> float:
    """Squared error of the output when only `kept` channels are left, each times its factor (1 for all: before the fit)."""
    change = numpy.full(len(gram), -1.0)
    change[kept] = numpy.asarray(factors) - 1.0
    return float(change @ gram @ change)


class _Reached(Exception):
    """Ends a forward pass as soon as the input that was waited for is known."""


def layer_input(network: nn.Module, layer: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What `layer` receives when `network` sees `images`; the pass stops there, since nothing behind it is needed."""
    caught = []

    def catch(_module, inputs):
        caught.append(inputs[0])
        raise _Reached

    handle = layer.register_forward_pre_hook(catch)
    try:
        with torch.no_grad():
            network(images)
    except _Reached:
        pass
    finally:
        handle.remove()
    return caught[0]


def channel_parts(
    layer: nn.Module,
    inputs: torch.Tensor,
    channels: int,
    locations: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Rows of X: for each image `locations` random outputs of `layer`, each split into the parts of its `channels` inputs.

    The layer is a convolution (any stride, padding, dilation; one group), or a linear layer behind a pooling, whose inputs
    then belong to the channels in equal runs. Every row sums to the layer's output at that place without the bias.
    Shape (images * locations, channels).
    """
    count = len(inputs) * locations
    images = torch.arange(len(inputs)).repeat_interleave(locations).to(inputs.device)
    filters = _draw(len(layer.weight), count, generator, inputs)
    if isinstance(layer, nn.Linear):
        return (inputs[images] * layer.weight[filters]).view(count, channels, -1).sum(2)
    (pad_y, pad_x), (step_y, step_x), (gap_y, gap_x) = layer.padding, layer.stride, layer.dilation
    padded = functional.pad(inputs, (pad_x, pad_x, pad_y, pad_y))
    high, wide = layer.kernel_size
    top = step_y * _draw(
        (padded.size(2) - gap_y * (high - 1) - 1) // step_y + 1, count, generator, inputs
    )
    left = step_x * _draw(
        (padded.size(3) - gap_x * (wide - 1) - 1) // step_x + 1, count, generator, inputs
    )
    parts = torch.zeros(count, channels, dtype=inputs.dtype, device=inputs.device)
    for y in range(high):
        for x in range(wide):
            parts += (
                padded[images, :, top + gap_y * y, left + gap_x * x]
                * layer.weight[filters, :, y, x]
            )
    return parts


def gram_matrix(
    network: nn.Module,
    layer: nn.Module,
    channels: int,
    batches: Iterable[torch.Tensor],
    locations: int,
    generator: torch.Generator,
) -> numpy.ndarray:
    """G = X'X in float64 over all `batches` of images; `network` must be in eval mode. Memory: one batch's activations."""
    gram = None
    for images in batches:
        with torch.no_grad():
            parts = channel_parts(
                layer, layer_input(network, layer, images), channels, locations, generator
            ).double()
            gram = parts.t() @ parts if gram is None else gram.addmm_(parts.t(), parts)
    return gram.cpu().numpy()


def _draw(limit: int, count: int, generator: torch.Generator, like: torch.Tensor) -> torch.Tensor:
    """`count` random integers below `limit`, drawn on the CPU so that every device samples the same places."""
    return torch.randint(limit, (count,), generator=generator).to(like.device)
