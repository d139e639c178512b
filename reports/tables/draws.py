"""Tickets drawn at given epochs: Tables 1 and 4 of the Early-Bird paper."""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

from joulebird.reports.runs.draws import FINAL, Draw, drawn
from joulebird.reports.runs.grid import marks_of
from joulebird.reports.runs.labels import percent
from joulebird.reports.runs.records import FULL, SOFTWARE, Paths, load, one_scope, unique_stages
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.notes import warning_notes
from joulebird.reports.tables.table import Cell, Column, Row, Table, mean_and_spread

_Line = tuple[str, str, float, tuple[str, ...]]  # model, name, ratio and rest of a row
Accuracies = dict[tuple[str, int | str], list[float]]  # by data set and epoch


class Kind(NamedTuple):
    """The difference of Tables 1 and 4: the name of a row, and the facts the paper kept fixed."""

    number: int
    heading: str
    name: Callable[[Draw], str]
    rest: Callable[[Draw], tuple[str, ...]]
    published_name: Callable[[dict[str, str]], str]
    published_rest: tuple[str, ...]


def _schedule_name(schedule: str) -> str:
    return f"[{schedule.replace('-', ', ')}]"


TABLE1 = Kind(
    1,
    "LR schedule",
    lambda draw: _schedule_name(draw.schedule),
    lambda draw: (f"lr {draw.lr:g}", draw.precision),
    lambda row: _schedule_name(row["lr_schedule"]),
    ("lr 0.1", FULL),
)
TABLE4 = Kind(
    4,
    "Initial LR",
    lambda draw: f"{draw.lr:g}",
    lambda draw: (_schedule_name(draw.schedule), draw.precision),
    lambda row: f"{float(row['lr_initial']):g}",
    ("[80, 120]", FULL),
)


def table1(paths: Paths, accuracy: str = "best", published: bool = False) -> Table:
    """Return Table 1: accuracy by the epoch of the draw and the search's learning-rate schedule."""
    return _table(paths, accuracy, published, TABLE1)


def table4(paths: Paths, accuracy: str = "best", published: bool = False) -> Table:
    """Return Table 4: accuracy by the epoch of the draw and the initial learning rate."""
    return _table(paths, accuracy, published, TABLE4)


def _table(paths: Paths, accuracy: str, published: bool, kind: Kind) -> Table:
    """Return a table with a line for each model, name, ratio and rest.

    Of the rest, only the facts that vary are shown, behind the name. Raises HarnessError for a
    mixture of software.
    """
    runs = load(paths)
    one_scope(unique_stages(runs), SOFTWARE)
    draws = drawn(runs, accuracy)
    epochs = sorted(
        {draw.epoch for draw in draws}, key=lambda epoch: math.inf if epoch == FINAL else int(epoch)
    )
    datasets = sorted({draw.dataset for draw in draws}, key=lambda name: (-len(name), name))
    places = list(itertools.product(datasets, epochs))
    lines: dict[_Line, Accuracies] = {}
    for draw, percents in draws.items():
        line = draw.model, kind.name(draw), draw.ratio, kind.rest(draw)
        lines.setdefault(line, {})[draw.dataset, draw.epoch] = percents
    varying = [len(set(facts)) > 1 for facts in zip(*(line[-1] for line in lines), strict=True)]
    columns = (
        Column("Model", number=False),
        Column(kind.heading, number=False),
        Column("p"),
        *(Column(str(epoch), f"Retrain acc. (%), {dataset}") for dataset, epoch in places),
    )
    rows: list[Row] = []
    for line in sorted(lines):
        model, name, ratio, rest = line
        shown = ", ".join([name, *itertools.compress(rest, varying)])
        found = (lines[line].get(place) for place in places)
        cells = (Cell(*mean_and_spread(percents)) if percents else Cell("–") for percents in found)
        rows.append((Cell(model), Cell(shown), Cell(percent(ratio), ratio), *cells))
        if published and rest == kind.published_rest:
            rows += _published(kind, line, places)
    note = (
        "Columns: the epoch after which the ticket was drawn; "
        f"{accuracy} epoch of retraining; final: drawn after the whole training."
    )
    marks = "".join(f" [{mark}]" for mark in marks_of(runs))
    return Table(
        f"Table {kind.number}. Retraining accuracy of tickets drawn at different epochs{marks}",
        columns,
        tuple(rows),
        (note, *warning_notes(runs)),
        {"table": kind.number},
    )


def _published(kind: Kind, line: _Line, places: list[tuple[str, int | str]]) -> list[Row]:
    """Return the paper's row for a line of ours, if it has one; lost cells stay empty."""
    known = {
        (row["dataset"], row["draw_epoch"]): row["retrain_acc"]
        for row in published_data.rows(f"published_table{kind.number}")
        if (row["model"], kind.published_name(row), float(row["pruning_ratio"])) == line[:3]
    }
    texts = [known.get((dataset, str(epoch))) or "–" for dataset, epoch in places]
    row = (Cell(""), Cell("  published"), Cell(""), *map(Cell, texts))
    return [row] if known else []
