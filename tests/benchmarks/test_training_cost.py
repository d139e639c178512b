"""Our training costs what we say, as ratios within one run; bench_training.py prints the figures
for the networks' full size.
"""

import pytest
import torch

from joulebird.baselines.methods.eb_train import Finder
from joulebird.baselines.models.preresnet import PreResNet101
from joulebird.baselines.models.vgg import Vgg16
from joulebird.baselines.training import flops
from joulebird.harness.core.flops import training_flops
from tests.benchmarks import bench_training as bench

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("name", "model", "width", "batch"),
    [("VGG16", Vgg16, 0.25, 64), ("PreResNet-101", PreResNet101, 0.5, 32)],
)
def test_an_epoch_is_never_slower_than_the_plain_loop(name, model, width, batch):
    for label, _, _, median, least, most in bench.epoch_rows(
        2 * batch, batch, 5, width, models={name: model}
    ):
        print(label, median, least, most)
        assert median <= 1.0, f"{label}: {median:.3f} ({least:.3f} to {most:.3f})"


def test_masks_and_l1_cost_under_two_percent_of_a_step_and_the_distance_next_to_nothing():
    rows = {label: share for label, _, share in bench.extra_rows(64, 5, 0.5)}
    for name in bench.MODELS:
        assert rows[f"{name}, masks, of a step of 64"] < 0.02
        assert rows[f"{name}, L1 term, of a step of 64"] < 0.02
        assert rows[f"{name}, mask distance, of an epoch of 50000"] < 0.0007
        assert rows[f"{name}, mask distance, operations of an epoch's"] < 0.00026


def test_the_papers_overhead_is_one_mask_beside_one_image():
    """Its 0.026 % of FLOPs (section 4.1) is this number, for VGG16; beside the epoch that it
    belongs to, it is nothing.
    """
    operations, forward = 161075, flops.count(Vgg16()).forward_flops
    assert round(operations / forward, 5) == 0.00026
    assert operations / training_flops(forward, 50000) < 2e-9


def test_a_thin_vggs_time_falls_with_its_operations():
    rows = list(bench.thin_rows(32, 5, 0.5, models={"VGG16": Vgg16}))
    times = [median for _, _, median, _, _, _ in rows]
    assert times == sorted(times, reverse=True)
    assert times[0] < 0.8
    assert times[-1] < 0.4
    assert all(selection == 0 for *_, selection in rows)


def test_selection_takes_a_small_part_of_a_thin_preresnets_step_and_none_of_a_whole_ones():
    thin, whole = (bench.network(PreResNet101, ratio, 0.5) for ratio in (0.5, 0.0))
    assert 0 < bench.selection_share(bench.stepper(thin, 32)) < 0.15
    assert bench.selection_share(bench.stepper(whole, 32)) == 0


def test_preresnet_at_batch_256_keeps_four_gigabytes_and_its_parts_keep_less():
    assert bench.saved_bytes(PreResNet101(10), 4) * 64 == pytest.approx(3.99e9, rel=0.02)


def test_looking_for_the_ticket_needs_no_more_memory_than_its_masks():
    finder = Finder(0.5, 0.1, 5, "paper", None, 160)
    loop = bench.stepper(Vgg16(10, Vgg16.dense_widths(0.25)), 8)
    finder.begin(loop)
    for _ in range(9):
        bench.look(finder, loop.model)
    assert sum(mask.numel() for mask in finder.masks) == 5 * 4224 // 4
    assert finder.masks[0].dtype == torch.bool
