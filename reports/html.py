"""One self-contained page about finished runs: Table 2, power, runs, the check, provenance."""

import html
import io
import json

from joulebird.reports.checks.check import check
from joulebird.reports.figures.power import power
from joulebird.reports.runs.records import FinishedRun, Paths, load, one_scope, unique_stages
from joulebird.reports.tables.runs import runs_table, stages_table
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
    runs = load(paths)
    stages = unique_stages(runs)
    scope, measured = one_scope(stages), any(stage.measured for stage in stages)
    words = sorted({word for stage in stages for word in stage.words})
    marks = "".join(f' <span class="word">{html.escape(word)}</span>' for word in words)
    title = f"Energy of training: {len(runs)} runs" + (f" on {scope['board']}" if measured else "")
    parts = [
        ("Accuracy, energy, FLOPs", table2(runs, energy=energy).render("html")),
        ("Power over time", _power(runs) if measured else ""),
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


def _power(runs: list[FinishedRun]) -> str:
    """Return the figure as inline SVG."""
    out = io.BytesIO()
    power(runs, out, form=".svg", buckets=1000)
    return "<svg" + out.getvalue().decode("utf-8").partition("<svg")[2]


def _check(runs: list[FinishedRun]) -> str:
    head = "<thead><tr><th>Rule</th><th></th><th>found</th><th>to do</th></tr></thead>"
    rows = [
        f'<tr><td>{finding.rule}</td><td class="{finding.status}">{finding.status}</td>'
        f"<td>{html.escape(finding.text)}</td><td>{html.escape(finding.remedy)}</td></tr>"
        for finding in check(runs).findings
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
