"""Keep apart in one table: boards, power modes, sources, scopes, rails."""

from collections.abc import Iterable
from typing import Any

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.runs.records import FinishedRun, FinishedStage


def identity(stage: FinishedStage) -> dict[str, str]:
    """Return the facts that all numbers of one table share: board, power mode, source, ..."""
    environment, source = stage.record.environment, stage.source
    boards = (environment.get(key) for key in ("board", "host", "machine"))
    return {
        "board": _name(next(filter(None, boards), "?")),
        "power mode": _name(environment.get("power_mode") or ""),
        "source": str(source.get("name", "")),
        "scope": str(source.get("scope", "")),
        "rails": "+".join(source.get("total") or ()),
    }


def _name(value: Any) -> str:
    """Return a short name of a board or power mode, which records hold as a word or as facts."""
    if not isinstance(value, dict):
        return str(value)
    names = (value.get(key) for key in ("serial", "name", "model", "id"))
    return str(next((name for name in names if name not in (None, "")), "?"))


def one_scope(stages: Iterable[FinishedStage]) -> dict[str, str]:
    """Return the common identity of all measured stages; empty without any.

    Raises HarnessError for a mixture, naming both sides.
    """
    seen: dict[str, dict[str, str]] = {}
    for stage in stages:
        for key, value in identity(stage).items() if stage.measured else ():
            seen.setdefault(key, {}).setdefault(value, stage.id)
    for key, values in seen.items():
        if len(values) > 1:
            sides = [f"{value or 'none'} ({stage_id})" for value, stage_id in values.items()]
            how = "--board NAME" if key == "board" else "give only the folders of its runs"
            raise HarnessError(
                f"the runs mix numbers of different {key}s: {', '.join(sides)}",
                f"make one table for each {key}: {how}",
            )
    return {key: next(iter(values)) for key, values in seen.items()}


def on_board(runs: list[FinishedRun], board: str) -> list[FinishedRun]:
    """Return the runs that were measured on one board alone; raises HarnessError for none."""
    boards = {
        run.id: {identity(stage)["board"] for stage in run.stages if stage.measured} for run in runs
    }
    kept = [run for run in runs if boards[run.id] <= {board}]
    if not kept:
        known = ", ".join(sorted(set().union(*boards.values()))) or "none"
        raise HarnessError(f"no run was measured on {board} alone", f"there are: {known}")
    return kept
