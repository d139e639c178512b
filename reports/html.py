"""One self-contained page about finished runs: Table 2, power, runs, the check, provenance."""

import html
import io
import json

from joulebird.reports.checks.check import check_runs
from joulebird.reports.figures.power import power
from joulebird.reports.logs.energy import Energy
from joulebird.reports.runs.accounting import Accounting, Cost
from joulebird.reports.runs.records import (
    FinishedRun,
    Paths,
    folders,
    load,
    one_scope,
    unique_stages,
)
from joulebird.reports.tables.table import Cell, Column, Row, Table, si, worded
from joulebird.reports.tables.table2 import table2

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto;
  padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .2rem .7rem; text-align: left; } th[colspan] { text-align: center; }
thead { border-bottom: 2px solid #333; } tbody { border-bottom: 1px solid #999; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.note { margin: .15rem 0; color: #444; font-size: .9rem; }
.fail { color: #b00020; font-weight: 600; } .warn { color: #8a5a00; }
.word { background: #ffe9a8; padding: .1rem .5rem; border-radius: .2rem; }
svg { max-width: 100%; height: auto; } details { margin: .5rem 0; }
pre { overflow-x: auto; background: #f4f4f4; padding: .7rem; font-size: .8rem; }
"""


def page(paths: Paths, energy: str = "measured") -> str:
    """Return the page: no script, no link, nothing external, the same bytes for the same runs."""
    given = folders(paths)
    runs = load(given)
    stages = unique_stages(runs)
    scope = one_scope(stages)
    words = sorted({word for stage in stages for word in stage.words})
    marks = "".join(f' <span class="word">{html.escape(word)}</span>' for word in words)
    title = f"Energy of training: {len(runs)} runs" + (f" on {scope['board']}" if scope else "")
    parts = [
        ("Accuracy, energy, FLOPs", table2(given, energy=energy).render("html")),
        ("Power over time", _power(given) if scope else ""),
        ("Runs and their stages", runs_table(runs, energy).render("html")),
        ("", stages_table(runs).render("html")),
        ("Check", _check(runs)),
        ("Where it comes from", _provenance(runs)),
    ]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    lines = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head>{head}</head><body>',
        f"<h1>{html.escape(title)}{marks}</h1>",
    ]
    for heading, content in parts:
        lines += [f"<h2>{heading}</h2>"] * bool(heading and content) + [content] * bool(content)
    return "\n".join([*lines, "</body></html>"]) + "\n"


def runs_table(runs: list[FinishedRun], energy: str = "measured") -> Table:
    """Return every run: accuracy, energy, time, coverage, repeated work."""
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
    rows = tuple(_run_row(run, accounting.run(run)) for run in runs)
    return Table("Every run, shared stages counted in full", columns, rows)


def _run_row(run: FinishedRun, cost: Cost) -> Row:
    useful, seconds = cost.useful, cost.useful.seconds
    accuracy = run.record.accuracy
    spent = f"{seconds:.1f} s" if seconds < 1000 else f"{seconds / 3600:.2f} h"
    watts = "void" if useful.watts is None else worded(f"{useful.watts:.2f} W", useful.words)
    return (
        Cell(run.id, run.id),
        Cell(f"{100 * accuracy['best']:.2f}"),
        Cell(f"{100 * accuracy['last']:.2f}"),
        _joules(useful, useful.joules),
        _joules(useful, useful.u_joules),
        _joules(cost.evaluation, cost.evaluation.joules),
        _joules(cost.repeated, cost.repeated.joules),
        Cell(spent, seconds),
        Cell(watts, useful.watts),
        Cell(f"{100 * useful.coverage:.2f} %", useful.coverage),
    )


def stages_table(runs: list[FinishedRun]) -> Table:
    """Return every stage once: its training, its energy, and the number of its runs."""
    stages = unique_stages(runs)
    accounting = Accounting.over(stages)
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
    rows: list[Row] = []
    for stage in stages:
        users = sum(stage in run.stages for run in runs)
        useful, macs = accounting.stage(stage).useful, stage.work.get("macs")
        rows.append(
            (
                Cell(stage.id),
                Cell(stage.record.name),
                Cell(str(stage.work.get("epochs", "–"))),
                Cell(si(macs, "") if macs else "–"),
                _joules(useful, useful.joules),
                Cell(f"{stage.record.seconds:.1f}"),
                Cell(str(stage.record.attempts)),
                Cell(f"{users} runs" if users > 1 else "1 run"),
            )
        )
    return Table("Every stage once", columns, tuple(rows))


def _joules(energy: Energy, value: float | None) -> Cell:
    """Return a number of an energy with its words."""
    if not value:
        return Cell("void" if value is None else "0", value)
    return Cell(worded(si(value, "J"), energy.words), value)


def _power(paths: list[str]) -> str:
    """Return the figure as inline SVG."""
    out = io.BytesIO()
    power(paths, out, form=".svg", buckets=1000)
    return "<svg" + out.getvalue().decode("utf-8").partition("<svg")[2]


def _check(runs: list[FinishedRun]) -> str:
    head = "<thead><tr><th>Rule</th><th></th><th>found</th><th>to do</th></tr></thead>"
    rows = [
        f'<tr><td>{finding.rule}</td><td class="{finding.status}">{finding.status}</td>'
        f"<td>{html.escape(finding.text)}</td><td>{html.escape(finding.remedy)}</td></tr>"
        for finding in check_runs(runs).findings
    ]
    return "\n".join(["<table>", head, "<tbody>", *rows, "</tbody></table>"])


def _provenance(runs: list[FinishedRun]) -> str:
    """Return source, environment and spec, each different one once."""
    blocks, stages = [], unique_stages(runs)
    for name, facts in (
        ("Power source", [stage.source for stage in stages if stage.measured]),
        ("Machine and software", [stage.record.environment for stage in stages]),
        ("Specs", [run.spec for run in runs]),
    ):
        dumps = (json.dumps(fact, indent=1, sort_keys=True) for fact in facts if fact)
        texts = list(dict.fromkeys(dumps))
        for i, text in enumerate(texts, 1):
            summary = f"<summary>{name} ({i} of {len(texts)})</summary>"
            blocks.append(f"<details>{summary}<pre>{html.escape(text)}</pre></details>")
    return "\n".join(blocks)
