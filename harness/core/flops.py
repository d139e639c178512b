"""Count operations of training, the one way for plans, tables and `joulebird flops`."""

from typing import Any, Dict, List, Tuple

FORWARDS = 3  # one forward pass an image, and twice as much backward


def training_flops(forward_flops: int, images: int) -> int:
    """Return the operations of training on `images` images.

    `forward_flops` is one image's: 2 * macs, or the authors' counter. Test passes, optimiser and
    masks are not counted (nor in the paper).

    >>> training_flops(2 * 313201664, 160 * 50000) / 5e13  # VGG16 in 0.05 P; its SNIP row: 302
    300.67359744
    """
    return FORWARDS * forward_flops * images


def work_flops(work: Dict[str, Any]) -> int:
    """Return the training operations of a stage's `work` by the authors' counter; 0 for no work."""
    if not work:
        return 0
    images = int(work["images_per_epoch"]) * int(work.get("epochs", 0))
    return training_flops(int(work["forward_flops"]), images)


def paper_gflops(forward_flops: float) -> float:
    """Return forward GFLOPs with two decimals, as the authors' script prints and their tables use.

    >>> paper_gflops(627355658), paper_gflops(313959434)
    (0.63, 0.31)
    """
    return round(forward_flops / 1e9, 2)


def paper_units(phases: List[Tuple[float, float]]) -> float:
    """Return a cell of the paper's Table 2 (unit 0.05 P) on 50 000 images.

    A phase has its forward GFLOPs, rounded as printed, and its epochs.

    >>> round(paper_units([(0.63, 160)]), 1), round(paper_units([(0.63, 23), (0.51, 137)]), 1)
    (302.4, 253.1)
    """
    return sum(FORWARDS * gflops * epochs for gflops, epochs in phases)
