"""A plan foresees the FLOPs that a table then shows."""

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from joulebird.baselines import MODELS
from joulebird.baselines.training.flops import task_count
from joulebird.baselines.training.task import task_from
from joulebird.harness.host.studies.plan import DENSE, History
from joulebird.harness.runs.backend import Backend
from joulebird.harness.runs.engine import Asked
from joulebird.harness.runs.spec import RunSpec
from joulebird.reports.runs.accounting import flops_of

DATASETS = {"resnet18": "imagenet", "resnet50": "imagenet", "resnet50-v1": "imagenet"}


def trained(spec):
    """The work that a stage notes down which trains the dense network of a spec."""
    task = task_from(dict(spec.to_dict(), device="cpu"))
    source = task.source()
    counted = task_count(task, task.build(), tuple(source.shape))
    return {
        "macs": counted.macs,
        "forward_flops": counted.forward_flops,
        "images_per_epoch": source.train_images,
        "epochs": spec.epochs,
        "batch": spec.batch,
        "precision": "fp32",
        "structure": "hash of the widths",
    }


def finished(spec, work):
    """A finished run of a spec with one stage, which did this work."""
    record = SimpleNamespace(function="m:f", seconds=1.0)
    stage = SimpleNamespace(id="train-1", work=work, record=record, measured=False, words=())
    return SimpleNamespace(spec=spec.to_dict(), stages=[stage])


@settings(max_examples=10, deadline=None)
@given(
    st.sampled_from(sorted(MODELS)),
    st.integers(2, 12),
    st.integers(1, 300),
)
def test_a_plan_has_the_flops_of_the_table(model, sixteenths, epochs):
    spec = RunSpec(
        method="dense",
        model=model,
        dataset=DATASETS.get(model, "cifar10"),
        prune_ratio=0.5,
        width=sixteenths / 16,
        epochs=epochs,
        batch=64,
    )
    work = trained(spec)
    table = flops_of(SimpleNamespace(work=work))[0]
    assert table == 3 * work["forward_flops"] * work["images_per_epoch"] * epochs
    history = History([], Backend())
    ahead = history.predict(Asked("train", "train-1", DENSE, (), {}), spec)
    assert ahead.flops == (float(table), float(table))
    search = Asked("search", "search-1", "m:f", (), {})
    assert history.predict(search, spec).flops == (0.0, float(table))
    alike = History([finished(spec, work)], Backend())
    assert alike.predict(search, spec).flops == (float(table), float(table))
