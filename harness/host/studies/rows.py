"""The rows of a study: its methods and their variants, each with options, ratios and a schedule of its own."""

import itertools
from typing import Any, NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import nearest
from joulebird.harness.registries import dotted
from joulebird.harness.runs.options import resolve_options
from joulebird.harness.runs.spec import check_field, check_milestones, check_name

SCHEDULE = (
    "epochs",
    "batch",
    "lr",
    "milestones",
    "gamma",
    "momentum",
    "weight_decay",
    "sparsity",
    "micro_batch",
)
VARIANT = ("method", "options", "each", "models", "datasets", "prune_ratios", "schedule")


class Row(NamedTuple):
    """A method with the options that were given; `models`, `datasets` and `prune_ratios` are None where it has no list of its own."""

    method: str
    options: dict[str, Any]
    models: list[str] | None = None
    datasets: list[str] | None = None
    prune_ratios: list[float] | None = None
    schedule: dict[str, Any] = {}

    def is_for(self, model: str, dataset: str) -> bool:
        """Whether the row stands in this setting."""
        return (self.models is None or model in self.models) and (
            self.datasets is None or dataset in self.datasets
        )


def rows_of_variant(
    entry: dict[str, Any], options: dict[str, Any], study: dict[str, Any], where: str
) -> list[Row]:
    """The rows of one [[variant]]; `options` are those of [method.NAME] by method. Raises HarnessError that names table and key."""
    check_keys(entry, VARIANT, where, "key")
    if "method" not in entry:
        raise HarnessError(f"{where}: lacks method", 'for instance method = "eb-train"')
    method = check_field("method", entry["method"], where)
    check_name("method", method, where)
    for key in ("options", "each"):
        if not isinstance(entry.get(key, {}), dict):
            raise HarnessError(
                f"{where}: {key} must be a table",
                f"for instance {key} = "
                + ('{weights = "reinit"}' if key == "options" else "{draw_at = [10, 20]}"),
            )
    for key in ("models", "datasets"):
        for one in check_list(key, entry[key], where) if key in entry else ():
            if one not in study[key]:
                raise HarnessError(
                    f"{where}: {one!r} in {key} is not in [study] {key}", nearest(one, study[key])
                )
    ratios = check_ratios(entry["prune_ratios"], where) if "prune_ratios" in entry else None
    schedule = check_schedule(entry.get("schedule", {}), f"{where} schedule")
    given = dict(options.get(method, {}), **entry.get("options", {}))
    resolve_options(dotted("method", method), given, f"{where} options")
    return [
        Row(
            method,
            dict(given, **chosen),
            entry.get("models"),
            entry.get("datasets"),
            ratios,
            schedule,
        )
        for chosen in _choices(entry, method, given, where)
    ]


def _choices(
    entry: dict[str, Any], method: str, given: dict[str, Any], where: str
) -> list[dict[str, Any]]:
    """Every combination of the values in `each`; one empty choice without any."""
    each = entry.get("each", {})
    for name, values in each.items():
        if name in entry.get("options", {}):
            raise HarnessError(f"{where}: {name} is in options and in each", "name it once")
        for value in check_list(name, values, f"{where} each"):
            resolve_options(dotted("method", method), dict(given, **{name: value}), f"{where} each")
    return [dict(zip(each, values, strict=True)) for values in itertools.product(*each.values())]


def method_options(table: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """The options of the tables [method.NAME], checked, by method."""
    for name, options in table.items():
        place = f"{where} [method.{name}]"
        check_name("method", name, place)
        if not isinstance(options, dict):
            raise HarnessError(
                f"{place}: must be a table", f"write [method.{name}] on a line of its own"
            )
        resolve_options(dotted("method", name), options, place)
    return table


def check_schedule(table: Any, where: str) -> dict[str, Any]:
    """The fields of a schedule that were given, checked one by one."""
    if not isinstance(table, dict):
        raise HarnessError(
            f"{where}: must be a table, not {table!r}", "for instance schedule = {lr = 0.5}"
        )
    check_keys(table, SCHEDULE, where, "key")
    checked = {
        key: check_field(key, value, where) for key, value in table.items() if key != "milestones"
    }
    if "milestones" in table:
        checked["milestones"] = list(
            check_milestones(table["milestones"], checked.get("epochs", 160), where)
        )
    return checked


def merge_schedules(*tables: dict[str, Any]) -> dict[str, Any]:
    """Schedules laid over each other, the last on top; new epochs without milestones take the old milestones away.

    >>> merge_schedules({"epochs": 160, "milestones": [80, 120], "lr": 0.1}, {"epochs": 90})
    {'epochs': 90, 'lr': 0.1}
    >>> merge_schedules({"epochs": 160, "milestones": [80, 120]}, {"lr": 0.5})
    {'epochs': 160, 'milestones': [80, 120], 'lr': 0.5}
    """
    merged: dict[str, Any] = {}
    for table in tables:
        if "epochs" in table and "milestones" not in table:
            merged.pop("milestones", None)
        merged.update(table)
    return merged


def check_ratios(values: Any, where: str) -> list[float]:
    """A list of pruning ratios."""
    return [
        check_field("prune_ratio", one, f"{where} prune_ratios")
        for one in check_list("prune_ratios", values, where, "[0.1, 0.3]")
    ]


def check_list(key: str, value: Any, where: str, example: str = "") -> list[Any]:
    """A list with at least one entry; raises HarnessError that names the key."""
    if not isinstance(value, list) or not value:
        raise HarnessError(
            f"{where}: {key} must be a list with at least one entry, not {value!r}",
            f"for instance {key} = {example}" if example else "write [ and ] around its entries",
        )
    return value


def check_keys(table: dict[str, Any], known: Any, where: str, what: str) -> None:
    """Raise HarnessError, with the nearest one, for a key that there is not."""
    for key in table:
        if key not in known:
            raise HarnessError(f"{where}: unknown {what} {key!r}", nearest(key, known))
