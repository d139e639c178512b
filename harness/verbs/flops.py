"""joulebird flops: MACs and FLOPs of a network, exact and as the paper rounds them.

MACs are multiply-accumulates of convolutions and linear layers for one image. "counter" is the
Early-Bird authors' counter, which adds normalisation, activation and pooling; the tables use it,
as the paper does. Training counts three forward passes an image (one forward, two backward) over
the data set's training images.
"""

import json
from typing import Any, Dict, List

from joulebird.baselines import DATASETS, MODELS
from joulebird.harness.cli.arguments import Namespace, own
from joulebird.harness.cli.output import answer
from joulebird.harness.core import formats, jsonfile
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.flops import paper_gflops, paper_units, training_flops
from joulebird.harness.core.registry import dotted

EXAMPLES = """examples:
  joulebird flops --model vgg16 --dataset cifar10
  joulebird flops --model vgg16 --dataset cifar10 --uniform 0.5 --json
  joulebird flops --model vgg16 --dataset digits --channels demo-runs/stages/ID/stage.json
"""
UNIT = 5e13  # Table 2 of the paper counts in x0.05P


ARGUMENTS = (
    own(
        "--model",
        required=True,
        metavar="M",
        help="a model's name: " + ", ".join(MODELS),
    ),
    own(
        "--dataset",
        required=True,
        metavar="D",
        help="a data set's name: " + ", ".join(DATASETS),
    ),
    own(
        "--width",
        type=float,
        default=1.0,
        metavar="X",
        help="every layer's channels times X (default: 1)",
    ),
    own("--epochs", type=int, default=160, metavar="N", help="epochs of training (default: 160)"),
    [
        own("--channels", metavar="FILE", help="JSON: the list of channel widths, or a stage.json"),
        own(
            "--uniform",
            type=float,
            metavar="P",
            help="prune a share P of every layer's channels",
        ),
    ],
    *("--form", "--json", "--output"),
)


def main(args: Namespace) -> int:
    """Count and print."""
    if args.uniform is not None and not 0 <= args.uniform < 1:
        raise HarnessError(
            f"--uniform must be at least 0 and below 1, not {args.uniform:g}",
            "for instance --uniform 0.5",
        )
    dotted(MODELS, "model", args.model)
    dotted(DATASETS, "dataset", args.dataset)
    widths = read_channels(args.channels) if args.channels else None
    from joulebird.baselines.training.task import task_from

    task = task_from(
        {
            "model": args.model,
            "dataset": args.dataset,
            "width": args.width,
            "epochs": args.epochs,
            "device": "cpu",
        }
    )
    if args.uniform is not None:
        widths = thinner(task.dense_widths(), args.uniform)
    facts = counted(task, widths)
    return answer(args, facts, as_text(facts))


def counted(task: Any, widths: Any = None) -> Dict[str, Any]:
    """Return all counts of a network with these channel widths (None: the dense one)."""
    from joulebird.baselines.training import flops

    source = task.source()
    network, count = built(task, widths, flops)
    images = source.train_images * task.schedule.epochs
    exact = training_flops(2 * count.macs, images)
    return {
        "model": task.model,
        "dataset": task.dataset,
        "width": task.width,
        "widths": network.widths,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "macs": count.macs,
        "forward_flops": 2 * count.macs,
        "counter_flops": count.forward_flops,
        "counter_gflops_as_printed": paper_gflops(count.forward_flops),
        "epochs": task.schedule.epochs,
        "images": source.train_images,
        "training_flops": exact,
        "counter_training_flops": training_flops(count.forward_flops, images),
        "training_005p": exact / UNIT,
        "training_005p_as_printed": paper_units(
            [(paper_gflops(count.forward_flops), task.schedule.epochs)]
        )
        * source.train_images
        / 50000,
    }


def built(task: Any, widths: Any, flops: Any) -> Any:
    """Return the network and its count.

    Raises HarnessError when the widths do not fit the model, SpecError when the images do not.
    """
    shape = tuple(task.source().shape)
    try:
        if widths is not None and nesting(widths) != nesting(task.dense_widths()):
            raise ValueError("another number of layers")
        network = task.build(widths)
        return network, flops.count(network, shape)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        # where the dense network fails too, it is the images
        flops.task_count(task, task.build(), shape)
        raise HarnessError(
            f"these channel widths do not fit {task.model}: {str(error).splitlines()[0]}",
            f"the dense ones are {json.dumps(task.dense_widths())}",
        ) from None


def nesting(widths: Any) -> Any:
    """Return the form of a nested list, whatever its numbers.

    >>> nesting([64, [100, 3]])
    [None, [None, None]]
    """
    return [nesting(one) for one in widths] if isinstance(widths, (list, tuple)) else None


def as_text(facts: Dict[str, Any]) -> str:
    """Return the counts for people."""
    rows = [
        ("network", "{model} for {dataset}".format(**facts)),
        ("channels", json.dumps(facts["widths"])),
        ("parameters", "{:,}".format(facts["parameters"])),
        ("MACs, forward, one image", "{:,}".format(facts["macs"])),
        ("FLOPs, forward, one image", "{:,}".format(facts["forward_flops"])),
        (
            "  by the authors' counter",
            "{:,} ({:.2f} GFLOPs as they print it)".format(
                facts["counter_flops"], facts["counter_gflops_as_printed"]
            ),
        ),
        (
            "FLOPs, training",
            "{:.4g} ({:,} images x {} epochs)".format(
                facts["training_flops"], facts["images"], facts["epochs"]
            ),
        ),
        (
            "  by the authors' counter",
            "{:.4g} (as in a table)".format(facts["counter_training_flops"]),
        ),
        (
            "  in the paper's x0.05P",
            "{:.1f} exact, {:.1f} from the rounded counter".format(
                facts["training_005p"], facts["training_005p_as_printed"]
            ),
        ),
    ]
    return "\n".join(f"{label:28} {value}" for label, value in rows)


def read_channels(path: str) -> List[Any]:
    """Return channel widths from a JSON file.

    It holds a list (nested as the model has it), or an object with "widths" or "work", such as a
    stage.json.
    """
    data = jsonfile.load(path, "a JSON list of channel widths, or a stage.json")
    if isinstance(data, dict) and "work" in data:
        formats.STAGE.check(data, path)
        data = (data["work"] or {}).get("widths")
    elif isinstance(data, dict):
        data = data.get("widths")
    if not isinstance(data, list) or not all_whole(data):
        raise HarnessError(
            f"{path}: holds no list of channel widths",
            "whole numbers of at least 1, for instance [64, 64, 128, ...]",
        )
    return data


def all_whole(widths: Any) -> bool:
    """Return whether a nested list holds only whole numbers of at least 1.

    >>> all_whole([[1, 2], 3]), all_whole([0]), all_whole("12")
    (True, False, False)
    """
    if isinstance(widths, list):
        return bool(widths) and all(all_whole(one) for one in widths)
    return isinstance(widths, int) and not isinstance(widths, bool) and widths >= 1


def thinner(widths: Any, share: float) -> Any:
    """Return every channel count without a share of it, at least one channel.

    >>> thinner([64, [100, 3]], 0.5)
    [32, [50, 2]]
    """
    if isinstance(widths, (list, tuple)):
        return [thinner(one, share) for one in widths]
    return max(1, int(round(widths * (1 - share))))
