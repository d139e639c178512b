"""One self-contained page about finished runs: Table 2, power over time, every run, the check, and where it all comes from."""

import html
import io
import json
from collections.abc import Iterable
from pathlib import Path

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.checks.check import check_runs
from joulebird.reports.figures import power as figures
from joulebird.reports.logs.energy import Energy
from joulebird.reports.runs.accounting import Accounting
from joulebird.reports.runs.records import Run, load, unique_stages
from joulebird.reports.runs.scope import one_scope
from joulebird.reports.tables.table import Cell, Column, Table
from joulebird.reports.tables.table2 import table2
from joulebird.reports.tables.units import si, worded

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; margin: 1rem 0; } caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .2rem .7rem; text-align: left; } thead { border-bottom: 2px solid #333; } tbody { border-bottom: 1px solid #999; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } th[colspan] { text-align: center; }
.note { margin: .15rem 0; color: #444; font-size: .9rem; } .fail { color: #b00020; font-weight: 600; } .warn { color: #8a5a00; }
.word { background: #ffe9a8; padding: .1rem .5rem; border-radius: .2rem; } svg { max-width: 100%; height: auto; }
pre { overflow-x: auto; background: #f4f4f4; padding: .7rem; font-size: .8rem; } details { margin: .5rem 0; }
"""


def report(paths: Iterable[str] | str, output: str, energy: str = "measured") -> None:
    """Write the page; raises HarnessError when there is nothing to report or the file cannot be written."""
    text = page(paths, energy)
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise HarnessError(
            f"{output}: cannot be written ({error.strerror})", "name another file"
        ) from None


def page(paths: Iterable[str] | str, energy: str = "measured") -> str:
    """The page as text: no script, no link, nothing from elsewhere, the same bytes for the same runs."""
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    runs = load(paths)
    stages = unique_stages(runs)
    scope = one_scope(stages)
    words = sorted({word for stage in stages for word in stage.words})
    marks = "".join(f' <span class="word">{html.escape(word)}</span>' for word in words)
    title = f"Energy of training: {len(runs)} runs" + (f" on {scope['board']}" if scope else "")
    parts = [
        f"<h1>{html.escape(title)}{marks}</h1>",
        "<h2>Accuracy, energy, FLOPs</h2>",
        table2(paths, energy=energy).render("html"),
    ]
    if scope:
        parts += ["<h2>Power over time</h2>", _power(paths)]
    parts += [
        "<h2>Runs and their stages</h2>",
        runs_table(runs, energy).render("html"),
        stages_table(runs).render("html"),
        "<h2>Check</h2>",
        _check(runs),
        "<h2>Where it comes from</h2>",
        _provenance(runs),
    ]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return (
        "\n".join(
            [
                "<!DOCTYPE html>",
                f'<html lang="en"><head>{head}</head><body>',
                *parts,
                "</body></html>",
            ]
        )
        + "\n"
    )


def _power(paths: list) -> str:
    """The figure as inline SVG."""
    out = io.BytesIO()
    figures.power(paths, out, form=".svg", buckets=1000)
    text = out.getvalue().decode("utf-8")
    return text[text.index("<svg") :]


def runs_table(runs: list[Run], energy: str = "measured") -> Table:
    """Every run: accuracy, energy, time, coverage, what was repeated."""
    accounting = Accounting.over(unique_stages(runs), energy)
    columns = (
        Column("Run", number=False),
        Column("best", "Accuracy (%)"),
        Column("last", "Accuracy (%)"),
        Column("energy"),
        Column("± (95 %)"),
        Column("evaluation"),
        Column("repeated"),
        Column("time"),
        Column("mean power"),
        Column("coverage"),
    )
    rows = []
    for run in runs:
        cost = accounting.run(run)
        useful = cost.useful
        joules = [
            _joules(useful, useful.joules),
            _joules(useful, useful.u_joules),
            _joules(cost.evaluation, cost.evaluation.joules),
            _joules(cost.repeated, cost.repeated.joules),
        ]
        spent = (
            f"{useful.seconds:.1f} s" if useful.seconds < 1000 else f"{useful.seconds / 3600:.2f} h"
        )
        watts = "void" if useful.watts is None else worded(f"{useful.watts:.2f} W", useful.words)
        rows.append(
            (
                Cell(run.id, run.id),
                *(Cell(f"{100 * run.record.accuracy[rule]:.2f}") for rule in ("best", "last")),
                *joules,
                Cell(spent, useful.seconds),
                Cell(watts, useful.watts),
                Cell(f"{100 * useful.coverage:.2f} %", useful.coverage),
            )
        )
    return Table("Every run, shared stages counted in full", columns, tuple(rows))


def stages_table(runs: list[Run]) -> Table:
    """Every stage once: what it trained, its energy, and which runs use it."""
    accounting = Accounting.over(unique_stages(runs))
    columns = (
        Column("Stage", number=False),
        Column("name", number=False),
        Column("epochs"),
        Column("MAC an image"),
        Column("energy"),
        Column("time (s)"),
        Column("attempts"),
        Column("used by"),
    )
    rows = []
    for stage in unique_stages(runs):
        used = sum(stage in run.stages for run in runs)
        cost = accounting.stage(stage)
        rows.append(
            (
                Cell(stage.id),
                Cell(stage.record.name),
                Cell(str(stage.work.get("epochs", "–"))),
                Cell(si(stage.work["macs"], "") if stage.work.get("macs") else "–"),
                _joules(cost.useful, cost.useful.joules),
                Cell(f"{stage.record.seconds:.1f}"),
                Cell(str(stage.record.attempts)),
                Cell(f"{used} runs" if used > 1 else "1 run"),
            )
        )
    return Table("Every stage once", columns, tuple(rows))


def _joules(energy: Energy, value: float | None) -> Cell:
    """A number of an energy with the words that must stand beside it."""
    return Cell(
        "void" if value is None else "0" if not value else worded(si(value, "J"), energy.words),
        value,
    )


def _check(runs: list[Run]) -> str:
    rows = []
    for found in check_runs(runs).findings:
        text, remedy = html.escape(found.text), html.escape(found.remedy)
        rows.append(
            f'<tr><td>{found.rule}</td><td class="{found.status}">{found.status}</td><td>{text}</td><td>{remedy}</td></tr>'
        )
    head = "<thead><tr><th>Rule</th><th></th><th>found</th><th>to do</th></tr></thead>"
    return "\n".join(["<table>", head, "<tbody>", *rows, "</tbody></table>"])


def _provenance(runs: list[Run]) -> str:
    """Source, environment and spec, each different one once."""
    blocks, stages = [], unique_stages(runs)
    for name, values in (
        ("Power source", [stage.source for stage in stages if stage.measured]),
        ("Machine and software", [stage.record.environment for stage in stages]),
        ("Specs", [run.spec for run in runs]),
    ):
        texts = dict.fromkeys(
            json.dumps(value, indent=1, sort_keys=True) for value in values if value
        )
        blocks += [
            f"<details><summary>{name} ({i + 1} of {len(texts)})</summary><pre>{html.escape(text)}</pre></details>"
            for i, text in enumerate(texts)
        ]
    return "\n".join(blocks)
