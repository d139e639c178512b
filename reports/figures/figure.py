"""Open and save figures by the file's name, equal figures as equal bytes."""

import os
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from joulebird.harness.core.errors import HarnessError

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
_UNFIT = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")  # for XML, and fonts
RED = "#cc3311"
ACROSS = {"linewidth": 0.8}  # of a line across the axes
Output = str | os.PathLike[str] | IO[bytes]  # a file name, or an open binary file
# ending -> facts that matplotlib would write and that differ from call to call
_METADATA: dict[str, dict[str, None]] = {
    ".svg": {"Date": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "ModDate": None},
}


def settings() -> AbstractContextManager[None]:
    """Return the settings to draw and to save under: names are no formulas, whatever is in them."""
    import matplotlib

    return matplotlib.rc_context(
        {
            "svg.hashsalt": "joulebird",
            "font.family": "DejaVu Sans",
            "pdf.fonttype": 42,
            "path.simplify": False,
            "text.parse_math": False,
        }
    )


def colour(index: int) -> str:
    """Return the colour of a line, repeated after the last one."""
    return COLOURS[index % len(COLOURS)]


def new_figure(title: str, words: Iterable[str] = (), panels: int = 1, rows: int = 1) -> Any:
    """Return a figure with panels side by side, or in rows, under a title.

    Words such as "simulated" stand in the title and across the last panel.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    words = list(words)
    title += "".join(f" [{word}]" for word in words)
    with settings():
        figure = Figure(figsize=(9.0 + panels, 1.5 + 3.0 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        figure.subplots(rows, panels, sharey=panels > 1)
    if panels > 1:
        figure.suptitle(title, fontsize=10)
    else:
        figure.axes[0].set_title(title, fontsize=10)
    stamp(figure.axes[-1], words, 44 if panels == 1 else 36)
    return figure


def stamp(axes: Any, words: Iterable[str], size: int = 44) -> None:
    """Write words across axes, one below the other."""
    style = {"ha": "center", "va": "center", "rotation": 15, "transform": axes.transAxes}
    style.update(fontsize=size, color="0.5", alpha=0.25, gid="stamp", in_layout=False)
    for text in filter(None, ["\n".join(words)]):
        axes.text(0.5, 0.5, text, **style)


def finish(axes: Any, output: Output, form: str | None, **labels: Any) -> None:
    """Label axes, name their lines, and write their figure as `save` does."""
    axes.set(**labels)
    axes.legend(fontsize=8)
    save(axes.figure, output, form)


def save(figure: Any, output: Output, form: str | None = None) -> None:
    """Write a figure so that equal figures are equal files.

    `form` (".svg", ...) is for an open file. Raises HarnessError for an unknown form or a file that
    cannot be written.
    """
    if form is None:
        form = Path(output).suffix.lower() if isinstance(output, (str, os.PathLike)) else ""
    if form not in _METADATA:
        raise HarnessError(
            f"a figure cannot be written as {form or 'a file without an ending'!r}",
            f"end the file name in {', '.join(_METADATA)}",
        )
    options: dict[str, Any] = {"format": form[1:], "metadata": _METADATA[form], "dpi": 150}
    try:
        with settings():
            for text in figure.findobj(lambda artist: hasattr(artist, "set_text")):
                text.set_text(_UNFIT.sub("\ufffd", text.get_text()))
            figure.savefig(output, **options)
    except OSError as error:
        raise HarnessError(
            f"{output}: cannot be written ({error.strerror})", "name another file"
        ) from None
