"""What may not be mixed in one table: boards, power modes, sources, scopes, rails."""

from collections.abc import Iterable

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.runs.records import Run, Stage


def identity(stage: Stage) -> dict[str, str]:
    """What must be the same for all numbers of one table: board, power mode, source, scope and rails."""
    environment, source = stage.record.environment, stage.source
    board = environment.get("board") or environment.get("host") or environment.get("machine") or "?"
    mode = environment.get("power_mode") or ""
    return {
        "board": _name(board),
        "power mode": _name(mode),
        "source": str(source.get("name", "")),
        "scope": str(source.get("scope", "")),
        "rails": "+".join(source.get("total") or ()),
    }


def _name(value) -> str:
    """A short name of a board or power mode, which records hold as a word or as facts."""
    if isinstance(value, dict):
        return str(
            next(
                (
                    value[key]
                    for key in ("serial", "name", "model", "id")
                    if value.get(key) not in (None, "")
                ),
                "?",
            )
        )
    return str(value)


def one_scope(stages: Iterable[Stage]) -> dict[str, str]:
    """The common identity of all stages that were measured; raises HarnessError saying what would be mixed.

    Stages that were not measured mix nothing; without any measured stage the identity is empty.
    """
    seen: dict[str, dict[str, str]] = {}
    for stage in stages:
        for key, value in identity(stage).items() if stage.measured else ():
            seen.setdefault(key, {}).setdefault(value, stage.id)
    for key, values in seen.items():
        if len(values) > 1:
            listed = ", ".join(
                f"{value or 'none'} ({stage_id})" for value, stage_id in values.items()
            )
            how = "--board NAME" if key == "board" else "give only the folders of its runs"
            raise HarnessError(
                f"the runs mix numbers of different {key}s: {listed}",
                f"make one table for each {key}: {how}",
            )
    return {key: next(iter(values)) for key, values in seen.items()}


def on_board(runs: list[Run], board: str) -> list[Run]:
    """The runs whose measured stages were all measured on one board; raises HarnessError when there are none."""
    found = {
        run.id: {identity(stage)["board"] for stage in run.stages if stage.measured} for run in runs
    }
    kept = [run for run in runs if found[run.id] <= {board}]
    if not kept:
        boards = ", ".join(sorted(set().union(*found.values()))) or "none"
        raise HarnessError(f"no run was measured on {board} alone", f"there are: {boards}")
    return kept
