"""A method that sleeps as long as it would train, for boards in tests; runs on the board's Python. Its result depends on every epoch."""
import time


def nap(stage, task, ratio, *, pause_s):
    """One stage: `task.epochs` epochs of `pause_s` seconds; value = 0.9 value + epoch + ratio."""
    state = stage.resume() or {"epoch": 0, "value": 0.0}
    stage.work(widths=[8], macs=1000, forward_flops=2000, images_per_epoch=10, batch=5)
    while state["epoch"] < task.schedule.epochs:
        begin_s = time.monotonic()
        time.sleep(pause_s)
        epoch = state["epoch"] + 1
        state = {"epoch": epoch, "value": 0.9 * state["value"] + epoch + ratio}
        stage.checkpoint(state)
        stage.epoch(epoch=epoch, of=task.schedule.epochs, begin_s=begin_s, train_end_s=time.monotonic(), loss=1.0 / epoch,
                    test_accuracy=1.0 - 1.0 / (2.0 + state["value"]), images=10)
        if stage.stopping:
            stage.stop()
    stage.metric(value=state["value"])
    return state


def napping(task, run, *, pause_s: float = 0.1, heavy: bool = False):
    """Nap once; a heavy nap leaves a large result."""
    return run.stage("nap", heavy_nap if heavy else nap, task, run.prune_ratio, pause_s=pause_s)


def heavy_nap(stage, task, ratio, *, pause_s):
    """A nap that leaves 20 MB behind."""
    return dict(nap(stage, task, ratio, pause_s=pause_s), ballast="x" * 20000000)
