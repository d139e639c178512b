"""Methods that sleep as long as they would train, for boards in tests; they run on the board's
Python. A result depends on every epoch.

`lottery`, `slimming`, `snip`, `thinet` and `early` have the stages of the demo's five methods.
"""

import os
import time


def nap(stage, task, kind, ratio, *, pause_s):
    """One stage: `epochs` epochs of `pause_s` seconds; value = 0.9 value + epoch + ratio."""
    epochs = task.schedule.epochs
    state = stage.resume() or {"epoch": 0, "value": 0.0}
    stage.work(widths=[8], macs=1000, forward_flops=2000, images_per_epoch=10, batch=5)
    while state["epoch"] < epochs:
        begin_s = time.monotonic()
        time.sleep(pause_s)
        epoch = state["epoch"] + 1
        state = {"epoch": epoch, "value": 0.9 * state["value"] + epoch + ratio}
        stage.checkpoint(state)
        stage.epoch(
            epoch=epoch,
            of=epochs,
            begin_s=begin_s,
            train_end_s=time.monotonic(),
            loss=1.0 / epoch,
            test_accuracy=1.0 - 1.0 / (2.0 + state["value"]),
            images=10,
        )
        if stage.stopping:
            stage.stop()
    stage.metric(value=state["value"])
    return state


def heavy_nap(stage, task, kind, ratio, *, pause_s):
    """A nap that leaves 80 MB behind."""
    return dict(nap(stage, task, kind, ratio, pause_s=pause_s), ballast="x" * 80000000)


def nightmare(stage, task, kind, ratio, *, pause_s):
    """A nap that fails unless the file ~/awake is there."""
    from joulebird.harness.core.errors import TrainingError

    if not os.path.exists(os.path.expanduser("~/awake")):
        raise TrainingError("the loss of epoch 1 is not a number", "lower the learning rate")
    return nap(stage, task, kind, ratio, pause_s=pause_s)


def napping(task, run, *, pause_s: float = 0.1, heavy: bool = False, fails_at: float = 0.0):
    """Nap once; a heavy nap leaves a large result, and the one at the ratio `fails_at` fails."""
    function = nightmare if run.prune_ratio == fails_at else heavy_nap if heavy else nap
    return run.stage("nap", function, task, "nap", run.prune_ratio, pause_s=pause_s)


def lottery(task, run, *, pause_s: float = 0.1):
    """Dense, then retrain."""
    run.stage("dense", nap, task, "dense", 0.0, pause_s=pause_s)
    return run.stage("retrain", nap, task, "lottery", run.prune_ratio, pause_s=pause_s)


def thinet(task, run, *, pause_s: float = 0.1):
    """The same dense, then retrain."""
    run.stage("dense", nap, task, "dense", 0.0, pause_s=pause_s)
    return run.stage("retrain", nap, task, "thinet", run.prune_ratio, pause_s=pause_s)


def slimming(task, run, *, pause_s: float = 0.1):
    """A dense of its own, then retrain."""
    run.stage("dense-l1", nap, task, "slimming-dense", 0.0, pause_s=pause_s)
    return run.stage("retrain", nap, task, "slimming", run.prune_ratio, pause_s=pause_s)


def snip(task, run, *, pause_s: float = 0.1):
    """Train once."""
    return run.stage("train", nap, task, "snip", run.prune_ratio, pause_s=pause_s)


def early(task, run, *, pause_s: float = 0.1):
    """A short search, then retrain."""
    run.stage("search", nap, task, "search", run.prune_ratio, pause_s=pause_s / 2)
    return run.stage("retrain", nap, task, "early", run.prune_ratio, pause_s=pause_s)
