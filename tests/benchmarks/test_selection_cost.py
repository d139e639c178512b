"""What SNIP's scoring and ThiNet's selection cost, beside the training they stand next to: ratios
within one run.

`python -m pytest tests/benchmarks/test_selection_cost.py -s` prints them. The bounds are those of
counting: a forward pass is a third of a training step, so that ThiNet's 13 layers of VGG16 cost at
most 13/3 of training on the same images.
"""

import subprocess
import sys
import time

import pytest
import torch
from torch.nn import functional

from joulebird.baselines.methods import snip, thinet
from joulebird.baselines.models.vgg import Vgg16
from joulebird.baselines.pruning import weights

pytestmark = pytest.mark.slow
BATCH = 64


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def cpu_s(work):
    """CPU seconds of this thread: numpy's idle helper threads spin, which on a busy machine says
    nothing about the work.
    """
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def half_width():
    torch.manual_seed(0)
    return (
        Vgg16(10, Vgg16.dense_widths(0.5)),
        torch.randn(BATCH, 3, 32, 32),
        torch.arange(BATCH) % 10,
    )


def step(network, images, labels):
    network.zero_grad()
    functional.cross_entropy(network(images), labels).backward()


def ratio_of(work, reference, repeats=4):
    """Least CPU time of `work` over least of `reference`, alternating: what else runs here can only
    add to either.
    """
    reference()
    times = [(cpu_s(work), cpu_s(reference)) for _ in range(repeats)]
    return min(time for time, _ in times) / min(time for _, time in times)


def test_snip_scores_for_the_price_of_a_step():
    network, images, labels = half_width()
    names = weights.prunable(network)
    ratio = ratio_of(
        lambda: snip.sensitivity(network, images, labels, names),
        lambda: step(network, images, labels),
    )
    scores = snip.sensitivity(network, images, labels, names)
    select = ratio_of(lambda: snip.select(scores, 0.5), lambda: step(network, images, labels))
    print(
        f"\nSNIP on half VGG16, batch {BATCH}: scoring {ratio:.2f}, selection {select:.2f} "
        "training steps"
    )
    assert ratio < 2
    assert select < 1


def test_thinet_selects_for_less_than_a_forward_pass_a_layer():
    network, images, labels = half_width()
    batches, trained = images.split(BATCH), half_width()[0]
    network.eval()

    def select():
        for place in range(13):
            target = network.thinet_targets()[place]
            gram = thinet.gram_matrix(
                network,
                target.next,
                target.conv.out_channels,
                batches,
                10,
                torch.Generator().manual_seed(1),
            )
            kept = sorted(set(range(len(gram))) - set(thinet.greedy(gram, len(gram) // 2)))
            thinet.least_squares(gram, kept)

    ratio = ratio_of(select, lambda: step(trained, images, labels))
    print(
        f"\nThiNet on half VGG16, {BATCH} images, 10 places each: selection of 13 layers "
        f"{ratio:.2f} training steps on the same images"
    )
    assert ratio < 13 / 3


MEMORY = """
import resource, sys, torch
sys.path.insert(0, {root!r})
from joulebird.baselines.models.vgg import Vgg16
from joulebird.baselines.methods import thinet
torch.set_num_threads(1)
network = Vgg16(10).eval()
for place in (0, 1, 12):
    batches = (torch.randn(256, 3, 32, 32) for _ in range({count}))
    thinet.prune_layer(network, place, 0.3, batches, 10, torch.Generator().manual_seed(0))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak / 1024.0 ** (2 if sys.platform == "darwin" else 1))
"""


def test_thinet_on_vgg16_stays_within_a_gigabyte_however_many_samples():
    from tests.conftest import ROOT

    peaks = []
    for count in (1, 3):
        printed = subprocess.run(
            [sys.executable, "-c", MEMORY.format(root=ROOT, count=count)],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        peaks.append(float(printed))
    print(
        f"\nThiNet on VGG16, batches of 256 images: peak {peaks[0]:.0f} MiB with one batch a "
        f"layer, {peaks[1]:.0f} MiB with three"
    )
    assert max(peaks) < 1024
    assert peaks[1] < 1.15 * peaks[0]
