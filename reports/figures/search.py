"""Figure 3 of the Early-Bird paper: the distance of the masks that a search compares."""

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.figures.figure import ACROSS, RED, Output, colour, finish, new_figure
from joulebird.reports.runs.grid import marks_of
from joulebird.reports.runs.labels import ratio_label
from joulebird.reports.runs.records import (
    SOFTWARE,
    FinishedStage,
    Paths,
    load,
    one_scope,
    unique_stages,
)


def figure3(paths: Paths, output: Output, form: str | None = None) -> None:
    """Draw the distance between the masks of consecutive epochs of a search, and epsilon.

    The paper's Figure 3 draws the distances of all pairs of epochs; its criterion uses only these.
    """
    runs = [run for run in load(paths) if run.spec["method"] == "eb-train"]
    one_scope(unique_stages(runs), SOFTWARE)
    stages = {stage: (run, _mask_distances(stage)) for run in runs for stage in run.stages}
    searches = [(run, distances) for run, distances in stages.values() if distances]
    if not searches:
        raise HarnessError(
            "no mask distances in these runs", "they are recorded by eb-train while it searches"
        )
    axes = new_figure("Distance between the masks of consecutive epochs", marks_of(runs)).axes[0]
    for i, (run, distances) in enumerate(searches):
        spec, epochs = run.spec, range(1, len(distances) + 1)
        ratio, seed = ratio_label(spec["prune_ratio"]), spec.get("seed", 0)
        label = f"{spec['model']}/{spec['dataset']} {ratio} s{seed}"
        axes.plot(epochs, distances, marker=".", color=colour(i), label=label)
    for epsilon in sorted({run.options.get("epsilon", 0.1) for run, _ in searches}):
        axes.axhline(epsilon, color=RED, linestyle="--", label=f"epsilon {epsilon:g}", **ACROSS)
    axes.set_ylim(bottom=0)
    labels = {"xlabel": "epoch of the search", "ylabel": "mask distance (share of channels)"}
    finish(axes, output, form, **labels)


def _mask_distances(stage: FinishedStage) -> list[float]:
    metrics = (event for event in stage.events if event["event"] == "metric")
    return [metric["mask_distance"] for metric in metrics if "mask_distance" in metric]
