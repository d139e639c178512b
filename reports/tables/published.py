"""The papers' published numbers, as shipped in reports/published/ (see its README for the sources)."""

import csv
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "published"


class Doubt(NamedTuple):
    """A published cell that cannot be right, or is unexplained: where it stands, why, and what it probably should be."""

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
    """The rows of one of the CSV files, by column name."""
    with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@cache
def table2() -> dict[tuple[str, str, float], dict[str, float]]:
    """Table 2 by (setting, method, ratio): retrain_acc (percent), energy_kj, flops_0p05p."""
    values = ("retrain_acc", "energy_kj", "flops_0p05p")
    return {
        (row["setting"], row["method"], float(row["pruning_ratio"])): {
            key: float(row[key]) for key in values
        }
        for row in rows("published_table2")
    }


@cache
def doubts() -> tuple[Doubt, ...]:
    """Every published cell that cannot be right or is not explained."""
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


def doubt(table: str, setting: str, method: str, ratio: float | None, column: str) -> Doubt | None:
    """The doubt about one cell, or None."""
    return next(
        (
            d
            for d in doubts()
            if (d.table, d.setting, d.method, d.ratio, d.column)
            == (table, setting, method, ratio, column)
        ),
        None,
    )


@cache
def network_flops() -> dict:
    """Forward FLOPs of one image, by the authors' counter, of the dense and uniformly pruned networks."""
    return json.loads((FOLDER / "network_flops.json").read_text(encoding="utf-8"))["networks"]
