"""8-bit formats: the vectors of SWALP, QPyTorch and WAGE, and what rounding at random must keep."""

import json
import os

import pytest
import torch

from joulebird.baselines.methods.swalp import swalp_rate
from joulebird.baselines.training import lowprec, precision

torch.set_num_threads(1)
with open(os.path.join(os.path.dirname(__file__), "..", "method_vectors.json")) as handle:
    VECTORS = json.load(handle)
BFP, WAGE = VECTORS["bfp8"], VECTORS["wage"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_one_exponent_for_all():
    assert (
        lowprec.block_float(torch.tensor(BFP["shared"][0]), block="tensor").tolist()
        == BFP["shared"][1]
    )


def test_one_exponent_a_row():
    rows = torch.tensor(BFP["rows_in"])
    assert lowprec.block_float(rows).tolist() == BFP["rows_out_symmetric"]
    assert lowprec.block_float(rows, symmetric=False)[0].tolist() == [1.984375, -2.0, 0.5]


def test_vectors_have_an_exponent_for_each_element_or_one_for_all():
    vector = torch.tensor(BFP["one_dim_per_element"][0])
    assert lowprec.block_float(vector).tolist() == BFP["one_dim_per_element"][1]
    assert lowprec.block_float(vector, block="small").tolist() == [1.0, 0.015625, -0.296875]


def test_a_step_just_below_a_power_of_two_keeps_its_exponent():
    below = torch.tensor([2.0, 2.0**-20, 1024.0]) * (1 - 2.0**-24)
    assert (
        lowprec.block_float(below).tolist()
        == (torch.tensor([2.0, 2.0**-20, 1024.0]) * (1 - 2.0**-7)).tolist()
    )


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_numbers_of_the_format_never_move(bits):
    values = torch.randn(16, 5, 3, generator=seeded())
    grid = lowprec.block_float(values, bits)
    assert float((grid - values).abs().max()) <= 2.0 ** (2 - bits + 1)
    assert torch.equal(lowprec.block_float(grid, bits), grid)
    for seed in range(3):
        assert torch.equal(lowprec.block_float(grid, bits, generator=seeded(seed)), grid)


def test_extreme_blocks_stay_finite_and_nan_stays_visible():
    rows = torch.tensor([[1e-38, 0.0], [3e38, -1.0], [1e-45, 0.0], [0.0, 0.0]])
    for generator in (None, seeded()):
        assert bool(torch.isfinite(lowprec.block_float(rows, generator=generator)).all())
    assert bool(torch.isnan(lowprec.block_float(torch.tensor([[float("nan"), 1.0]]))).any())
    assert lowprec.block_float(torch.zeros(0, 3)).shape == (0, 3)


def test_random_rounding_is_right_on_average_and_repeats_with_its_seed():
    copies = torch.full((400000,), 0.3)
    copies[0] = 1.2
    first = lowprec.block_float(copies, block="tensor", generator=seeded(4))
    assert abs(float(first[1:].double().mean()) - 0.3) < 3 * 2**-6 / 2 / 400000**0.5
    assert sorted(set(first[1:].tolist())) == [0.296875, 0.3125]
    assert torch.equal(first, lowprec.block_float(copies, block="tensor", generator=seeded(4)))
    assert not torch.equal(first, lowprec.block_float(copies, block="tensor", generator=seeded(5)))


def test_rounding_does_not_change_its_argument():
    values = torch.randn(3, 4, generator=seeded())
    before = values.clone()
    lowprec.block_float(values)
    lowprec.wage_update(values, 8.0, generator=seeded())
    assert torch.equal(values, before)


def test_swalp_rates():
    vector = VECTORS["swalp_lr"]
    for epoch, rate in vector["epochs"].items():
        assert swalp_rate(
            int(epoch), vector["lr"], vector["start"], vector["swa_lr"]
        ) == pytest.approx(rate)


def test_wage_errors():
    error = torch.tensor(WAGE["e"])
    assert lowprec.wage_error(error).tolist() == WAGE["qe_round"]
    assert lowprec.wage_error(error, ceil=True).tolist() == WAGE["qe_ceil"]
    assert lowprec.wage_error(torch.zeros(3)).tolist() == [0, 0, 0]


def test_wage_activations_and_weights():
    clipped = lowprec.clipped(torch.tensor(WAGE["a_in"]), 8)
    assert lowprec.fixed_point(clipped, 8).tolist() == WAGE["a_out"]
    assert (
        lowprec.wage_weight(torch.tensor(WAGE["w2_alpha8_in"]), 2, 8).tolist()
        == WAGE["w2_alpha8_out"]
    )
    for bits, by_fan_in in WAGE["alpha"].items():
        for fan_in, alpha in by_fan_in.items():
            assert precision.wage_alpha(int(fan_in), int(bits)) == alpha


def test_wage_steps_are_whole_units_and_right_on_average():
    gradient = torch.tensor(WAGE["e"])
    steps = (
        torch.stack(
            [lowprec.wage_update(gradient, 8, generator=seeded(seed)) for seed in range(600)]
        )
        * 128
    )
    for column, (low, high, chance) in enumerate([(9, 10, 0.6), (-3, -4, 0.2), (0, 1, 0.64)]):
        values = steps[:, column]
        assert set(values.tolist()) == {low, high}
        assert abs(float((values == high).float().mean()) - chance) < 0.07
    assert lowprec.wage_update(torch.zeros(2), 8, generator=seeded()).tolist() == [0, 0]


def test_wage_starts():
    assert precision.wage_bound(27, 2) == 0.75
    assert precision.wage_bound(27, 8) == pytest.approx((3 / 27) ** 0.5)


def test_above_15_bits_the_official_quantiser_does_nothing():
    assert lowprec.fixed_point(torch.tensor([0.123456]), 16).item() == torch.tensor(0.123456).item()
