"""A stage and a run that live in memory, for tests of training: the interface of
ARCHITECTURE.md, without files.
"""

import io

import torch


class Stopped(Exception):
    """What `stop()` raises, as the stage engine does to leave the training loop."""


class Stage:
    """Keeps what a stage function reports: epochs, warnings, metrics, work, and the last
    checkpoint as bytes.
    """

    folder = "stage"

    def __init__(self, saved=None, stop_after=None, die_after=None):
        self.saved, self.stop_after, self.die_after = saved, stop_after, die_after
        self.epochs, self.warnings, self.metrics, self.works = [], [], {}, []

    def resume(self):
        return None if self.saved is None else torch.load(io.BytesIO(self.saved))

    def checkpoint(self, state):
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self.saved = buffer.getvalue()

    def epoch(self, **facts):
        self.epochs.append(facts)
        if self.die_after == len(self.epochs):
            raise KeyboardInterrupt

    def work(self, **facts):
        self.works.append(facts)

    def warn(self, name, **facts):
        self.warnings.append(dict(facts, name=name))

    def metric(self, **values):
        self.metrics.update(values)

    @property
    def stopping(self):
        return self.stop_after is not None and len(self.epochs) >= self.stop_after

    def stop(self):
        raise Stopped


class Artifact:
    """A finished stage's result."""

    def __init__(self, name, result, stage):
        self.id, self.result, self.stage = name, result, stage

    def load(self):
        return self.result


class Run:
    """Runs stages one after the other and reuses one with equal function, inputs and options."""

    def __init__(self):
        self.artifacts, self.order = {}, []

    def stage(self, name, function, *inputs, **options):
        recipe = repr(
            (
                function.__module__,
                function.__name__,
                [_identity(value) for value in inputs],
                sorted(options.items()),
            )
        )
        if recipe not in self.artifacts:
            stage = Stage()
            inputs = [value.load() if isinstance(value, Artifact) else value for value in inputs]
            loaded = {
                key: value.load() if isinstance(value, Artifact) else value
                for key, value in options.items()
            }
            result = function(stage, *inputs, **loaded)
            self.artifacts[recipe] = Artifact(f"{name}-{len(self.artifacts)}", result, stage)
        self.order.append(name)
        return self.artifacts[recipe]


def _identity(value):
    if isinstance(value, Artifact):
        return value.id
    return value.recipe() if hasattr(value, "recipe") else value
