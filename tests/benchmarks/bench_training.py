"""What our training costs beside a plain PyTorch loop: python tests/benchmarks/bench_training.py
[PART ...] [--images 128] [--repeats 5]

Parts (all by default): `epoch`, one epoch of dense and thin networks by our loop and by the loop
that most published code has (a DataLoader with PIL transforms, `loss.item()` every step), same
network, batch, device and threads, alternating; `input`, the input path alone; `thin`, a thin
network's time a step beside its operations, and what channel selection takes of it; `extras`,
masks, the L1 term and the mask distance beside a step and an epoch; `memory`, peak memory of one
step at batch 256; `thinet`, every layer of VGG16 pruned from --rows sampled outputs each: time and
peak memory (alone, or the parts before it are in the peak). The images are random, of CIFAR's
shape.

Times are CPU times of this process (one thread unless told), so that a busy machine disturbs
little; on an accelerator, wall times.
"""

import argparse
import math
import resource
import statistics
import sys
import time
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch.nn import functional

from joulebird.baselines.data.tensors import TensorData
from joulebird.baselines.data.vision import CIFAR_MEAN, CIFAR_STD, import_torchvision
from joulebird.baselines.methods import thinet
from joulebird.baselines.methods.eb_train import Finder
from joulebird.baselines.models.preresnet import PreResNet101
from joulebird.baselines.models.vgg import Vgg16
from joulebird.baselines.pruning import channels
from joulebird.baselines.training import flops
from joulebird.baselines.training.hooks import Hook
from joulebird.baselines.training.loop import Loop, fastest_layout
from joulebird.baselines.training.task import Schedule, Task
from joulebird.harness.core.flops import training_flops

MODELS = {"VGG16": Vgg16, "PreResNet-101": PreResNet101}
RATIOS = (0.3, 0.5, 0.7)
CIFAR_IMAGES = 50000


def network(model, ratio, width, seed=0):
    """A network with distinct random scales, and what a ranking at `ratio` leaves of it."""
    torch.manual_seed(seed)
    dense = model(10, model.dense_widths(width))
    for norm in dense.norms():
        norm.weight.data.uniform_(0.05, 1.0)
    return channels.cut_to_masks(dense, channels.ranked_masks(dense.scales(), ratio))


def images_of(count, device="cpu"):
    """Random images and labels of CIFAR-10's shape."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8).to(
        device
    )
    labels = torch.randint(0, 10, (count,), generator=generator).to(device)
    return TensorData(images, labels, images[:1], labels[:1], 10, CIFAR_MEAN, CIFAR_STD)


def plain_loader(data, batch, workers=0):
    """The usual input path: PIL images, torchvision's transforms one by one, a DataLoader."""
    import_torchvision()
    from PIL import Image
    from torchvision import transforms

    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, 4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(CIFAR_MEAN, CIFAR_STD),
        ]
    )
    pixels, labels = (
        data.train_images.cpu().permute(0, 2, 3, 1).contiguous().numpy(),
        data.train_labels.tolist(),
    )

    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return len(labels)

        def __getitem__(self, place):
            return transform(Image.fromarray(pixels[place])), labels[place]

    return torch.utils.data.DataLoader(
        Images(), batch_size=batch, shuffle=True, num_workers=workers
    )


def plain_epoch(model, optimizer, loader, device):
    """The loop of most published code: every step reads the loss and counts what is right."""
    model.train()
    total, right = 0.0, 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        output = model(images)
        loss = functional.cross_entropy(output, labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        right += (output.argmax(1) == labels).sum().item()
    return total, right


def our_loop(model, data, batch, device, sparsity=0.0, masks=None):
    """Our loop over `data`, ready to train an epoch; the model is put into the layout that train()
    gives it.
    """
    task = Task("", "", schedule=Schedule(batch=batch, lr=0.01), device=device)
    return Loop(
        None,
        task,
        model.to(device).to(memory_format=fastest_layout(device)),
        data,
        sparsity,
        masks,
        Hook(),
    )


def seconds(work, device="cpu"):
    """CPU seconds of `work`, or wall seconds on an accelerator, which is waited for."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    begin = clock()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return clock() - begin


def alternate(works, repeats, device="cpu", warm=0):
    """Seconds of each of `works`, in turn, `repeats` times after one round that does not count.

    `warm` calls of each go before every timed one: the processor's convolution library keeps 1024
    prepared kernels, which four networks of a hundred different shapes turn over, so that each
    would otherwise pay for kernels that the others drove out.
    """
    times = [[] for _ in works]
    for round_ in range(repeats + 1):
        for work, kept in zip(works, times):
            for _ in range(warm):
                work()
            taken = seconds(work, device)
            if round_:
                kept.append(taken)
    return times


def ratio(ours, theirs):
    """The median of pairwise ratios, with the smallest and the largest."""
    ratios = [one / other for one, other in zip(ours, theirs)]
    return statistics.median(ratios), min(ratios), max(ratios)


def epoch_rows(images, batch, repeats, width=1.0, device="cpu", models=MODELS, ratios=(0.0, 0.5)):
    """(network, images a second of ours, of the plain loop, ratio of times ours / plain: median,
    least, most).
    """
    data = images_of(images, device)
    loader = plain_loader(data, batch, 0 if device == "cpu" else 8)
    for name, model in models.items():
        for share in ratios:
            loop = our_loop(network(model, share, width), data, batch, device)
            theirs = network(model, share, width).to(device)
            optimizer = torch.optim.SGD(theirs.parameters(), 0.01, 0.9, weight_decay=1e-4)
            works = (
                lambda loop=loop: float(loop.train_epoch(0)),
                lambda theirs=theirs, optimizer=optimizer: plain_epoch(
                    theirs, optimizer, loader, device
                ),
            )
            ours, plain = alternate(works, repeats, device)
            label = name + (f", p = {share:.0%}" if share else ", dense")
            yield (
                label,
                images / statistics.median(ours),
                images / statistics.median(plain),
            ) + ratio(ours, plain)


def input_row(images, batch, repeats):
    """(microseconds an image by our input path, by PIL and a DataLoader: the best of `repeats`;
    ratio: median, least, most).
    """
    data = images_of(images)
    loader = plain_loader(data, batch)
    works = (
        lambda: [None for _ in data.train_batches(batch, torch.Generator())],
        lambda: [None for _ in loader],
    )
    ours, plain = alternate(works, repeats)
    return (
        1e6 * min(ours) / images,
        1e6 * min(plain) / images,
    ) + ratio(ours, plain)


def stepper(model, batch, **options):
    """One step of our loop on one fixed batch, as a function."""
    return our_loop(model, images_of(batch), batch, "cpu", **options)


def thin_rows(batch, repeats, width=1.0, models=MODELS, ratios=RATIOS):
    """(network, ratio of operations thin / dense, ratio of step times: median, least, most, share
    of selection in the step).
    """
    for name, model in models.items():
        loops = [stepper(network(model, share, width), batch) for share in (0.0,) + tuple(ratios)]
        times = alternate(
            [lambda loop=loop: loop.train_epoch(0) for loop in loops], repeats, warm=1
        )
        macs = [flops.count(loop.model).macs for loop in loops]
        for share, loop, taken, count in zip(ratios, loops[1:], times[1:], macs[1:]):
            yield (
                (f"{name}, p = {share:.0%}", count / macs[0])
                + ratio(taken, times[0])
                + (selection_share(loop),)
            )


def selection_share(loop):
    """The share of a step's time that index_select takes, forward and backward, without that of
    mirrored images.
    """
    from torch.autograd.profiler import profile

    loop.data = loop.data._replace(flip=False)
    with profile() as recorded:
        loop.train_epoch(0)
    events = {event.key: event for event in recorded.key_averages()}
    whole = sum(event.self_cpu_time_total for event in events.values())
    return (
        sum(
            events[key].cpu_time_total
            for key in ("aten::index_select", "aten::index_select_backward")
            if key in events
        )
        / whole
    )


def extra_rows(batch, repeats, width=1.0, models=MODELS):
    """(what, its seconds, its share of what it stands beside) for masks, the L1 term and the mask
    distance.
    """
    for name, model in models.items():
        dense = network(model, 0.0, width)
        masks = {
            key: torch.rand_like(value) > 0.5
            for key, value in dense.named_parameters()
            if value.dim() == 4
        }
        loop = stepper(dense, batch, sparsity=1e-4, masks=masks)
        finder = Finder(0.5, 0.1, 5, "paper", None, 160)
        finder.begin(loop)
        works = (
            lambda loop=loop: loop.train_epoch(0),
            loop.apply_masks,
            loop._add_l1,
            lambda finder=finder, dense=dense: look(finder, dense),
        )
        step, mask, l1, distance = (statistics.median(times) for times in alternate(works, repeats))
        yield f"{name}, masks, of a step of {batch}", mask, mask / step
        yield f"{name}, L1 term, of a step of {batch}", l1, l1 / step
        yield (
            f"{name}, mask distance, of an epoch of {CIFAR_IMAGES}",
            distance,
            distance / (step * CIFAR_IMAGES / batch),
        )
        total = sum(len(scale) for scale in dense.scales())
        operations = (
            3 * total * math.log2(total) + 2 * total
        )  # a sort, and the comparison of two masks
        forward = flops.count(dense).forward_flops
        yield (
            f"{name}, mask distance, operations of an epoch's",
            operations,
            operations / training_flops(forward, CIFAR_IMAGES),
        )


def look(finder, model):
    """Do the work of the search for a ticket after an epoch."""
    finder._note(model)
    finder._to_newest()


def saved_bytes(model, batch):
    """Bytes that autograd keeps for the backward pass of one batch, each storage once, parameters
    left out.
    """
    kept, parameters = {}, {parameter.data_ptr() for parameter in model.parameters()}

    def pack(tensor):
        if tensor.data_ptr() not in parameters:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = functional.cross_entropy(
            model(torch.randn(batch, 3, 32, 32)), torch.zeros(batch, dtype=torch.long)
        )
    del loss
    return sum(kept.values())


def memory_rows(micro=None, batch=256):
    """(what, bytes) of PreResNet-101: what a batch keeps for its backward pass, and the peak of
    this process over one step.
    """
    model = PreResNet101(10)
    yield f"kept for the backward pass of {batch} images", saved_bytes(model, 8) * batch // 8
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    loop = stepper(model, batch)
    loop.task = loop.task._replace(micro_batch=micro)
    loop.train_epoch(0)
    parts = "" if micro is None else f" in parts of {micro}"
    yield (
        f"peak of the process over a step of {batch}{parts}",
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )
    yield "of which it had before", before


def thinet_rows(rows, batch, repeats, width=1.0):
    """(what, value, unit) of pruning all layers of VGG16 as `thinet` does, ten places of each of
    rows / 10 of CIFAR's images.
    """
    data, model = images_of(CIFAR_IMAGES), network(Vgg16, 0.0, width).eval()
    chosen = thinet.stratified(data.train_labels, -(-rows // 10), torch.Generator().manual_seed(0))

    def prune():
        thin = model.to(memory_format=fastest_layout("cpu"))
        for place in range(len(model.thinet_targets())):
            parts = (images for images, _ in data.plain_batches(batch, order=chosen))
            thin, _ = thinet.prune_layer(
                thin, place, 0.3, parts, 10, torch.Generator().manual_seed(place)
            )

    taken = seconds(prune)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    loop = stepper(network(Vgg16, 0.0, width), batch)
    [steps] = alternate([lambda: loop.train_epoch(0)], repeats)
    yield f"pruning 13 layers, {len(chosen)} images, {10 * len(chosen)} rows", taken, "s"
    yield (
        "beside a training epoch of these images",
        taken / (statistics.median(steps) * len(chosen) / batch),
        "epochs",
    )
    yield "peak of the process, CIFAR's images in it", peak / 2**20, "MiB"


def main(argv=None):
    parts = ("epoch", "input", "thin", "extras", "memory", "thinet")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--width", type=float, default=1.0, help="multiplies every layer's channels"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--micro-batch", type=int, help="for `memory`: split each batch into parts of this size"
    )
    parser.add_argument(
        "--rows",
        type=int,
        default=10000,
        help="for `thinet`: sampled outputs a layer; the method's own default is 100000",
    )
    parser.add_argument("--device", default="cpu", help="for `epoch`: cpu or cuda")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    wanted = options.parts or parts
    device = torch.cuda.get_device_name() if options.device != "cpu" else "CPU"
    print(
        f"torch {torch.__version__}, {device}, {options.threads} threads, batch {options.batch}, "
        f"width {options.width:g}"
    )
    if "epoch" in wanted:
        print("one epoch: images/s ours, plain; time ratio ours/plain: median (least to most)")
        rows = epoch_rows(
            options.images, options.batch, options.repeats, options.width, options.device
        )
        for label, ours, plain, median, low, high in rows:
            print(
                f"  {label:26s} {ours:9.1f} {plain:9.1f}  {median:.3f} ({low:.3f} to {high:.3f})",
                flush=True,
            )
    if "input" in wanted:
        ours, plain, median, low, high = input_row(max(2560, options.images), 256, options.repeats)
        print(
            f"input path: {ours:.1f} us an image, PIL {plain:.1f} us; ratio {median:.3f} "
            f"({low:.3f} to {high:.3f})",
            flush=True,
        )
    if "thin" in wanted:
        print(
            "thin networks: operations thin/dense; time thin/dense: median (least to most); "
            "selection's share of the step"
        )
        for label, share, median, low, high, selection in thin_rows(
            options.batch, options.repeats, options.width
        ):
            print(
                f"  {label:26s} {share:.3f}  {median:.3f} ({low:.3f} to {high:.3f})  "
                f"{selection:.2%}",
                flush=True,
            )
    if "extras" in wanted:
        for label, value, share in extra_rows(options.batch, options.repeats, options.width):
            print(f"  {label:58s} {value:12.6g}  {share:.6%}", flush=True)
    if "memory" in wanted:
        for label, size in memory_rows(options.micro_batch):
            print(f"  PreResNet-101: {label}: {size / 1e9:.2f} GB", flush=True)
    if "thinet" in wanted:
        for label, value, unit in thinet_rows(
            options.rows, options.batch, options.repeats, options.width
        ):
            print(f"  ThiNet on VGG16: {label}: {value:.4g} {unit}", flush=True)


if __name__ == "__main__":
    main()
