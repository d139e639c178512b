"""Tiny methods, stages and files that need no torch, so that the engine is tested on its own."""

import collections
import json
import os
import shutil
import time

Task = collections.namedtuple("Task", "seed epochs device log")
Task.recipe = lambda self: {"seed": self.seed, "epochs": self.epochs}


class Json:
    """Saves as joulebird.baselines.training.saving does, but JSON."""

    @staticmethod
    def save(path, value):
        with open(path + ".part", "w") as file:
            json.dump(value, file)
        os.replace(path + ".part", path)

    @staticmethod
    def load(path):
        with open(path) as file:
            return json.load(file)


def stop_after(session, number):
    """Have a session stop after this epoch, as a signal does."""
    epoch = session.progress.epoch

    def stop(at, *rest):
        epoch(at, *rest)
        session._signals.stopping = at == number

    session.progress.epoch = stop


class Backend:
    """In the place of `baselines`: counts what is called."""

    def __init__(self, log=None):
        self.log = log
        self.synchronised = 0

    def task_from(self, spec):
        return Task(spec["seed"], spec["epochs"], "cpu", self.log)

    def saving(self):
        from joulebird.harness.runs.checkpoints import Saving

        return Saving(Json)

    def synchronise(self, device):
        self.synchronised += 1


def grow(stage, task, start=None, *, step=1.0, pause_s=0.0, fail_at=0):
    """A training whose result depends on every epoch: value = 0.9 value + seed + step * epoch."""
    state = stage.resume() or {"epoch": 0, "value": 0.0 if start is None else start["value"]}
    stage.work(widths=[8, 16], macs=1000, forward_flops=2000, images_per_epoch=10, batch=5)
    while state["epoch"] < task.epochs:
        begin_s = time.monotonic()
        time.sleep(pause_s)
        epoch = state["epoch"] + 1
        if epoch == fail_at:
            from joulebird.harness.core.errors import TrainingError

            raise TrainingError(
                f"the loss of epoch {epoch} is not a number", "lower the learning rate"
            )
        state = {"epoch": epoch, "value": 0.9 * state["value"] + task.seed + step * epoch}
        stage.checkpoint(state)
        stage.epoch(
            epoch=epoch,
            of=task.epochs,
            begin_s=begin_s,
            train_end_s=time.monotonic(),
            loss=1.0 / epoch,
            test_accuracy=min(1.0, 0.5 + 0.1 * epoch),
            images=10,
        )
        if stage.stopping:
            stage.stop()
    if task.log:
        with open(task.log, "a") as file:
            file.write(f"grow {step!r}\n")
    stage.metric(value=state["value"])
    return state


def halve(stage, task, grown, ratio):
    """A pruning step without epochs."""
    stage.warn("layer_emptied", layers=["conv3"])
    return {"value": grown["value"] * (1 - ratio)}


def prune_and_grow(task, run, *, step: float = 1.0, pause_s: float = 0.0):
    """Grow, halve, grow again."""
    first = run.stage("dense", grow, task, step=step, pause_s=pause_s)
    half = run.stage("halve", halve, task, first, run.prune_ratio)
    return run.stage("retrain", grow, task, half, pause_s=pause_s)


def only_grow(task, run, *, step: float = 1.0):
    """Grow."""
    return run.stage("dense", grow, task, step=step, pause_s=0.0)


def looks_inside(task, run):
    """Decides by a result, so that its second stage is unknown beforehand."""
    first = run.stage("dense", grow, task, step=1.0, pause_s=0.0)
    return run.stage("again", grow, task, first, step=round(first.load()["value"], 3))


def breaks(task, run, *, fail_at: int = 3):
    """Fails while training."""
    return run.stage("dense", grow, task, fail_at=fail_at)


def buggy(task, run):
    """Has a mistake in it."""
    return run.stage("dense", wrong, task)


def wrong(stage, task):
    """Not a stage function: gives a number."""
    return 3


class FakeRecorder:
    """Keeps its calls in order; fails at the call named `breaks_at`."""

    def __init__(self, calls, breaks_at=None):
        self.calls = calls
        self.breaks_at = breaks_at

    alive = True

    def _do(self, name, *args):
        self.calls.append((name,) + args)
        if self.breaks_at is not None and name == self.breaks_at:
            raise OSError("the recorder is gone")

    def start(self):
        self._do("start")

    def check(self):
        self._do("check")

    def open(self, path):
        self._do("open", os.path.basename(os.path.dirname(path)))

    def sample(self):
        self._do("sample", time.monotonic())

    def close_log(self):
        self._do("close_log")

    def describe(self):
        return {"name": "fake", "real": False}

    def stop(self):
        self._do("stop")


def fat(task, run, *, size: int = 300000):
    """Has a large result."""
    return run.stage("fat", swell, task, size)


def swell(stage, task, size):
    """Its result is large."""
    stage.metric(test_accuracy=0.5)
    return {"value": "x" * size}


def deletes(task, run, *, until: str = ""):
    """Grow, and lose the folder on the way while a file is there."""
    return run.stage("dense", grow_and_lose, task, until=until)


def grow_and_lose(stage, task, *, until):
    """At the second epoch the folder is deleted."""
    inner = stage.epoch

    def epoch(**facts):
        inner(**facts)
        if facts["epoch"] == 2 and os.path.exists(until):
            shutil.rmtree(stage.folder)

    stage.epoch = epoch
    return grow(stage, task)
