"""ThiNet (Luo, Wu, Lin 2017): drop the channels whose loss the next layer's output feels least, layer by layer.

For a channel c of a layer's input, a sampled output (image, filter f, place) gives x[c], the part of that output that
comes from c; all parts add up to the output y without its bias. Greedily, the channel set T with the smallest squared sum
is dropped, and what is kept is rescaled channel by channel to the least-squares fit of y. All of that follows from the
Gram matrix G = X'X: one pass over the samples in O(rows * C^2), nothing of size rows x C is ever stored.
"""

from typing import Iterable, List

import numpy
import torch
from torch import nn
from torch.nn import functional


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


def channel_parts(layer: nn.Module, inputs: torch.Tensor, channels: int, locations: int, generator: torch.Generator) -> torch.Tensor:
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
    top = step_y * _draw((padded.size(2) - gap_y * (high - 1) - 1) // step_y + 1, count, generator, inputs)
    left = step_x * _draw((padded.size(3) - gap_x * (wide - 1) - 1) // step_x + 1, count, generator, inputs)
    parts = torch.zeros(count, channels, dtype=inputs.dtype, device=inputs.device)
    for y in range(high):
        for x in range(wide):
            parts += padded[images, :, top + gap_y * y, left + gap_x * x] * layer.weight[filters, :, y, x]
    return parts


def gram_matrix(network: nn.Module, layer: nn.Module, channels: int, batches: Iterable[torch.Tensor], locations: int,
                generator: torch.Generator) -> numpy.ndarray:
    """G = X'X in float64 over all `batches` of images; `network` must be in eval mode. Memory: one batch's activations."""
    gram = None
    for images in batches:
        with torch.no_grad():
            parts = channel_parts(layer, layer_input(network, layer, images), channels, locations, generator).double()
            gram = parts.t() @ parts if gram is None else gram.addmm_(parts.t(), parts)
    return gram.cpu().numpy()


def _draw(limit: int, count: int, generator: torch.Generator, like: torch.Tensor) -> torch.Tensor:
    """`count` random integers below `limit`, drawn on the CPU so that every device samples the same places."""
    return torch.randint(limit, (count,), generator=generator).to(like.device)
