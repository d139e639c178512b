"""8-bit number formats in plain torch: block floating point (SWALP, QPyTorch), WAGE's fixed point.

All values stay float32 tensors that hold only numbers of the format: this is simulation, and on a
TX2 it is slower than float32. Energies of such trainings are estimates. Random rounding draws from
a generator that the caller seeds (the libraries' own cannot be seeded); a generator of None means
rounding to the nearest, halves to even.
"""

from typing import Optional

import torch


def block_float(
    x: torch.Tensor,
    bits: int = 8,
    block: str = "row",
    generator: Optional[torch.Generator] = None,
    symmetric: bool = True,
) -> torch.Tensor:
    """Return `x` in block floating point: integers of `bits` bits, a power of two for each block.

    With M the largest magnitude of a block, its unit is 2^(floor(log2 M) - bits + 2). Blocks: `row`
    is one for each index of dimension 0, thus each element of a vector (QPyTorch with dim=0, the
    Early-Bird authors' choice); `small` is the same but a vector is one block (SWALP); `tensor` is
    one for all. Integers reach +-(2^(bits-1) - 1), or also -2^(bits-1) if not `symmetric` (SWALP).
    A block of zeros stays zero (SWALP's formula gives NaN there), NaN stays NaN. Only float32.

    >>> block_float(torch.tensor([.3, -1.2, .01]), block="tensor").tolist()
    [0.296875, -1.203125, 0.015625]
    """
    if x.numel() == 0:
        return x
    largest = _block_max(x, block)
    exponent = _exponent(largest).clamp_(bits - 128, 127)
    scaled = x * _power_of_two(bits - 2 - exponent)
    scaled = scaled.round_() if generator is None else _at_random(scaled, generator)
    top = 2 ** (bits - 1) - 1
    scaled.clamp_(-top if symmetric else -top - 1, top).mul_(_power_of_two(exponent - bits + 2))
    return scaled.masked_fill_(largest == 0, 0)


def fixed_point(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Return WAGE's Q: the nearest multiple of 2^(1-bits), halves to even.

    Above 15 bits it is the identity, as in the official code.
    """
    unit = 2.0 ** (1 - bits)
    return x if bits > 15 else torch.round(x / unit) * unit


def clipped(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Return WAGE's C: limited to +-(1 - 2^(1-bits)), the largest numbers of the format."""
    limit = 1 - 2.0 ** (1 - bits)
    return x.clamp(-limit, limit)


def shift(x: torch.Tensor, ceil: bool = False) -> torch.Tensor:
    """Return WAGE's Shift of the largest magnitude of `x`: a power of two.

    It is the nearest on the log scale (official) or, with `ceil`, the next above (QPyTorch's). All
    zeros give 1, where the authors' port stops. It is a tensor: nothing waits for the device.

    >>> shift(torch.tensor([0.3, -0.1])).item(), shift(torch.tensor([0.3]), ceil=True).item()
    (0.25, 0.5)
    >>> shift(torch.zeros(2)).item()
    1.0
    """
    largest = x.abs().max()
    exponent = torch.log2(torch.where(largest == 0, torch.ones_like(largest), largest))
    exponent = torch.ceil(exponent) if ceil else torch.round(exponent)
    power = _power_of_two(exponent.clamp(-126, 127).int())
    return torch.where(torch.isnan(largest), largest, power)


def wage_error(error: torch.Tensor, bits: int = 8, ceil: bool = False) -> torch.Tensor:
    """Return WAGE's error: scaled to the format by a power of two, clipped, rounded."""
    return fixed_point(clipped(error / shift(error, ceil), bits), bits)


def wage_weight(weight: torch.Tensor, bits: int, alpha: float) -> torch.Tensor:
    """Return the weight of WAGE's forward pass: clipped, rounded, over the layer's `alpha`."""
    return fixed_point(clipped(weight, bits), bits) / alpha


def wage_update(
    gradient: torch.Tensor, lr: float, bits: int = 8, generator: Optional[torch.Generator] = None
) -> torch.Tensor:
    """Return WAGE's step: the gradient over its power of two, times `lr`, in units of 2^(1-bits).

    Rounded at random, it is right on average: the fraction is the probability of the larger
    magnitude. Without a generator it is rounded to the nearest.
    """
    steps = gradient / shift(gradient) * lr
    if generator is None:
        return torch.round(steps) * 2.0 ** (1 - bits)
    return _at_random(steps.abs(), generator) * torch.sign(steps) * 2.0 ** (1 - bits)


def _at_random(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Round `x` down or up in place; the fraction is the probability of up."""
    return x.add_(torch.rand(x.shape, generator=generator, device=x.device)).floor_()


def _block_max(x: torch.Tensor, block: str) -> torch.Tensor:
    """Return the largest magnitude of each block, shaped to broadcast against `x`."""
    magnitude = x.abs()
    if block == "tensor" or x.dim() == 0 or (block == "small" and x.dim() == 1):
        return magnitude.max()
    return magnitude if x.dim() == 1 else magnitude.amax(tuple(range(1, x.dim())), keepdim=True)


def _exponent(x: torch.Tensor) -> torch.Tensor:
    """Return floor(log2 x) of positive float32 values, exactly, from their bits."""
    return (x.contiguous().view(torch.int32) >> 23) - 127


def _power_of_two(exponent: torch.Tensor) -> torch.Tensor:
    """Return 2^exponent as float32, exactly; exponents from -126 to 127."""
    return ((exponent + 127) << 23).view(torch.float32)
