"""The papers' published numbers, from reports/published/ (see its README for the sources)."""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[1] / "published"
MARK = "†"  # of a doubtful cell


class Doubt(NamedTuple):
    """A published cell that is wrong or unexplained: its place, the reason, its probable value."""

    table: str
    setting: str
    method: str
    ratio: float | None
    column: str
    published: str
    why: str
    probably: str


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of one of the CSV files, by column name."""
    with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@cache
def table2() -> dict[tuple[str, str, float], dict[str, float]]:
    """Return Table 2 by (setting, method, ratio): retrain_acc (percent), energy_kj, flops_0p05p."""
    return {
        (row["setting"], row["method"], float(row["pruning_ratio"])): {
            key: float(row[key]) for key in ("retrain_acc", "energy_kj", "flops_0p05p")
        }
        for row in rows("published_table2")
    }


@cache
def doubts() -> tuple[Doubt, ...]:
    """Return every published cell that is wrong or unexplained."""
    return tuple(
        Doubt(
            row["table"],
            row["setting"],
            row["method"],
            float(row["pruning_ratio"]) if row["pruning_ratio"] else None,
            row["column"],
            row["published"],
            row["why"],
            row["probably"],
        )
        for row in rows("doubtful")
    )


def mark(table: str, setting: str, method: str, ratio: float | None, column: str) -> str:
    """Return the mark of a doubtful cell, an empty text for others."""
    return MARK if doubt(table, setting, method, ratio, column) else ""


def doubt(table: str, setting: str, method: str, ratio: float | None, column: str) -> Doubt | None:
    """Return the doubt about one cell, or None."""
    place = (table, setting, method, ratio, column)
    return next((doubt for doubt in doubts() if doubt[:5] == place), None)


@cache
def network_flops() -> dict[str, Any]:
    """Return forward FLOPs of one image of the dense and uniformly pruned networks.

    They are counted by the authors' counter.
    """
    counts = json.loads((FOLDER / "network_flops.json").read_text(encoding="utf-8"))
    return dict(counts["networks"])
