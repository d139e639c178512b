"""Figures of finished runs. The file's name says the form: .svg, .png or .pdf; the same runs give the same bytes."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.runs.records import load, unique_stages
from joulebird.reports.runs.scope import one_scope
from joulebird.reports.runs.timeline import Timeline, timeline

FORMS = (".svg", ".png", ".pdf")
COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#888888",
    "#994f00",
    "#117733",
    "#332288",
)
_SETTINGS = {
    "svg.hashsalt": "joulebird",
    "font.family": "DejaVu Sans",
    "pdf.fonttype": 42,
    "path.simplify": False,
}
_METADATA = {
    ".svg": {"Date": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "ModDate": None},
}


def power(
    paths: Iterable[str] | str,
    output: str | os.PathLike | Any,
    rail: str | None = None,
    form: str | None = None,
    buckets: int = 2000,
) -> None:
    """Draw power over time with the stages as bands: mean as a line, lowest to highest of each bucket as a shade.

    `output` is a file name, or an open binary file with `form` (".svg", ...). Raises HarnessError for an unknown form, mixed scopes, or
    when nothing was recorded.
    """
    stages = unique_stages(load(paths))
    scope = one_scope(stages)
    words = sorted({word for stage in stages for word in stage.words})
    line = timeline(stages, buckets, rail)
    name = rail or scope["rails"]
    figure = new_figure(
        f"Power over time: {name} ({scope['scope']}) on {scope['board']} by {scope['source']}",
        words,
    )
    draw_power(figure.axes[0], line)
    save(figure, output, form)


def new_figure(
    title: str, words: Iterable[str] = (), width: float = 10.0, height: float = 4.5
) -> Any:
    """A figure with one set of axes and a title; words such as "simulated" stand in the title and across the figure."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    words = list(words)
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
    axes.set_title(title + "".join(f" [{word}]" for word in words), fontsize=10)
    for word in words:
        axes.text(
            0.5,
            0.5,
            word,
            transform=axes.transAxes,
            fontsize=44,
            color="0.5",
            alpha=0.25,
            ha="center",
            va="center",
            rotation=15,
        )
    return figure


def draw_power(axes: Any, line: Timeline) -> None:
    """Draw a timeline into axes."""
    factor, unit = (
        (3600.0, "h")
        if line.length_s > 7200
        else (60.0, "min")
        if line.length_s > 300
        else (1.0, "s")
    )
    names = list(dict.fromkeys(band.name for band in line.bands))
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    for band in line.bands:
        axes.axvspan(
            band.begin_s / factor,
            band.end_s / factor,
            color=colour[band.name],
            alpha=0.25,
            linewidth=0,
        )
    for part in line.stretches:
        axes.fill_between(
            part.t_s / factor, part.low_w, part.high_w, color="0.45", alpha=0.5, linewidth=0
        )
        axes.plot(part.t_s / factor, part.mean_w, color="black", linewidth=0.7)
    for cut_s in line.cuts:
        axes.axvline(cut_s / factor, color="0.4", linestyle=":", linewidth=0.8)
    for mark_s, word in line.marks:
        axes.axvline(mark_s / factor, color="#cc3311", linewidth=0.8)
        axes.annotate(
            word,
            (mark_s / factor, 1.0),
            xycoords=("data", "axes fraction"),
            fontsize=7,
            color="#cc3311",
            rotation=90,
            va="top",
        )
    axes.set_xlim(0, max(line.length_s, 1e-6) / factor)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"time ({unit})" + ("; dotted: a pause, cut short" if line.cuts else ""))
    axes.set_ylabel("power (W)")
    handles = [
        axes.fill_between([], [], color=colour[name], alpha=0.4, label=name) for name in names[:12]
    ]
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        fontsize=8,
        title="stage",
        title_fontsize=8,
    )


def save(figure: Any, output: str | os.PathLike | Any, form: str | None = None) -> None:
    """Write a figure so that equal figures are equal files; raises HarnessError for an unknown form or a file that cannot be written."""
    import matplotlib

    named = isinstance(output, (str, os.PathLike))
    form = form or (Path(output).suffix.lower() if named else "")
    if form not in FORMS:
        raise HarnessError(
            f"a figure cannot be written as {form or 'a file without an ending'!r}",
            f"end the file name in {', '.join(FORMS)}",
        )
    try:
        with matplotlib.rc_context(_SETTINGS):
            figure.savefig(output, format=form[1:], metadata=_METADATA[form], dpi=150)
    except OSError as error:
        raise HarnessError(
            f"{output}: cannot be written ({error.strerror})", "name another file"
        ) from None
