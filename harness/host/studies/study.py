"""A study: a TOML file that names methods, models, data sets, ratios and seeds; its grid is the list of runs.

    [study]
    methods = ["lottery-ticket", "eb-train"]
    models = ["vgg16"]
    datasets = ["cifar10"]
    prune_ratios = [0.3, 0.5, 0.7]
    seeds = [1, 2, 3]

    [[setting]]                 # optional: other ratios, or another schedule, for one model and data set
    model = "vgg16"
    dataset = "cifar100"
    prune_ratios = [0.1, 0.3, 0.5]

    [schedule]                  # all of it optional
    epochs = 160
    milestones = [80, 120]

    [method.eb-train]           # options of a method: its keyword arguments
    epsilon = 0.1

    [[variant]]                 # optional: one more row of a method, with options of its own (`methods` may then be left out)
    method = "eb-train"
    options = {weights = "reinit"}

A variant's options are laid over those of [method.NAME]. It may also have `models`, `datasets` and `prune_ratios` of its own (all of the
study's, and the setting's ratios, otherwise), a `schedule = {lr = 0.5}`, and `each = {draw_at = [10, 20, 40]}`: options of which every
value (of several, every combination) is a row. A setting's schedule is laid over [schedule], a variant's over both; one that changes the
epochs and names no milestones gets the default ones, half and three quarters of the training.
"""

import itertools
import pkgutil
from pathlib import Path
from typing import Any

import tomllib

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import nearest
from joulebird.harness.host.studies import rows as study_rows
from joulebird.harness.host.studies.rows import (
    Row,
    check_keys,
    check_list,
    check_schedule,
    merge_schedules,
)
from joulebird.harness.runs.spec import RunSpec, check_field, check_name, from_dict

# key of [study] -> (field of a run, whether it is a list there)
STUDY = {
    "methods": ("method", True),
    "models": ("model", True),
    "datasets": ("dataset", True),
    "prune_ratios": ("prune_ratio", True),
    "seeds": ("seed", True),
    "width": ("width", False),
    "device": ("device", False),
}
REQUIRED = ("methods", "models", "datasets", "prune_ratios")
SETTING = ("model", "dataset", "prune_ratios", "schedule")
TABLES = ("study", "setting", "schedule", "method", "variant")


def load(word: str) -> list[RunSpec]:
    """The runs of a study file, or of an included study by its name. Raises HarnessError that names file, table and key."""
    return runs_of(read(word), word)


def presets() -> list[str]:
    """The names of the included studies."""
    folder = Path(__file__).parents[2] / "presets"
    return sorted(path.stem for path in folder.glob("*.toml"))


def read(word: str) -> dict[str, Any]:
    """The tables of a study file, or of an included study by its name."""
    path = Path(word)
    if word in presets() and not path.is_file():
        data = pkgutil.get_data("joulebird.harness", f"presets/{word}.toml")
    elif path.is_file():
        data = path.read_bytes()
    elif path.is_dir():
        raise HarnessError(
            f"{word}: is a folder", "name a study file (TOML), or one of: " + ", ".join(presets())
        )
    else:
        raise HarnessError(
            f"{word}: no such study", nearest(word, presets()) + "; or give the path of a TOML file"
        )
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HarnessError(
            f"{word}: not valid TOML: {error}", "texts need quotes, lists need commas"
        ) from None


def runs_of(tables: dict[str, Any], where: str) -> list[RunSpec]:
    """The grid of a study's tables, in the order in which stages are best shared: setting and seed outside, then ratio, then method."""
    check_keys(tables, TABLES, where, "table")
    for name in ("study", "schedule", "method"):
        if not isinstance(tables.get(name, {}), dict):
            raise HarnessError(
                f"{where}: {name} must be a table", f"write [{name}] on a line of its own"
            )
    entries = _entries(tables, "variant", where)
    study = _study(tables.get("study", {}), f"{where} [study]", bool(entries))
    schedule = check_schedule(tables.get("schedule", {}), f"{where} [schedule]")
    options = study_rows.method_options(tables.get("method", {}), where)
    rows = [Row(method, options.get(method, {})) for method in study["methods"]]
    for number, entry in enumerate(entries, 1):
        rows += study_rows.rows_of_variant(entry, options, study, f"{where} [[variant]] {number}")
    settings = _settings(_entries(tables, "setting", where), study, where)
    single = {
        field: study[key] for key, (field, several) in STUDY.items() if not several and key in study
    }
    runs = []
    for model, dataset, seed in itertools.product(
        study["models"], study["datasets"], study["seeds"]
    ):
        setting = settings.get((model, dataset), {})
        ratios = setting.get("prune_ratios", study["prune_ratios"])
        for ratio, row in _cells([row for row in rows if row.is_for(model, dataset)], ratios):
            planned = merge_schedules(schedule, setting.get("schedule", {}), row.schedule)
            runs.append(
                from_dict(
                    dict(
                        single,
                        **planned,
                        model=model,
                        dataset=dataset,
                        seed=seed,
                        prune_ratio=ratio,
                        method=row.method,
                        options=row.options,
                    ),
                    where,
                )
            )
    return list(dict.fromkeys(runs))


def _cells(rows: list[Row], ratios: list[float]) -> list[tuple[float, Row]]:
    """All ratios with the rows that have them; rows without ratios of their own have those given."""
    every = dict.fromkeys(
        itertools.chain(
            *([ratios if row.prune_ratios is None else row.prune_ratios for row in rows])
        )
    )
    return [
        (ratio, row)
        for ratio in every
        for row in rows
        if ratio in (ratios if row.prune_ratios is None else row.prune_ratios)
    ]


def _study(table: dict[str, Any], where: str, has_variants: bool) -> dict[str, Any]:
    check_keys(table, STUDY, where, "key")
    for key in REQUIRED:
        if key not in table and not (key == "methods" and has_variants):
            raise HarnessError(f"{where}: lacks {key}", f"for instance {key} = {_example(key)}")
    checked = {"seeds": [1], "methods": []}
    for key, value in table.items():
        field, several = STUDY[key]
        if several:
            check_list(key, value, where, _example(key))
        values = [
            check_field(field, one, f"{where} {key}") for one in (value if several else [value])
        ]
        if field in ("method", "model", "dataset"):
            for one in values:
                check_name(field, one, f"{where} {key}")
        checked[key] = values if several else values[0]
    return checked


def _entries(tables: dict[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    """The tables of an array of tables, such as [[setting]]."""
    entries = tables.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise HarnessError(
            f"{where}: {name} must be a list of tables", f"write [[{name}]] on a line of its own"
        )
    return entries


def _settings(
    entries: list[dict[str, Any]], study: dict[str, Any], where: str
) -> dict[tuple[str, str], dict[str, Any]]:
    """The ratios and schedules of the settings that have their own."""
    found = {}
    for number, entry in enumerate(entries, 1):
        place = f"{where} [[setting]] {number}"
        check_keys(entry, SETTING, place, "key")
        missing = [
            key
            for key in SETTING[:3]
            if key not in entry and not (key == "prune_ratios" and "schedule" in entry)
        ]
        if missing:
            raise HarnessError(
                f"{place}: lacks {missing[0]}",
                "it needs model, dataset, and prune_ratios or a schedule",
            )
        for key, several in (("model", "models"), ("dataset", "datasets")):
            if entry[key] not in study[several]:
                raise HarnessError(
                    f"{place}: {key} {entry[key]!r} is not in [study] {several}",
                    nearest(entry[key], study[several]),
                )
        own = {}
        if "prune_ratios" in entry:
            own["prune_ratios"] = study_rows.check_ratios(entry["prune_ratios"], place)
        if "schedule" in entry:
            own["schedule"] = check_schedule(entry["schedule"], f"{place} schedule")
        found[entry["model"], entry["dataset"]] = own
    return found


def _example(key: str) -> str:
    return {
        "methods": '["eb-train"]',
        "models": '["vgg16"]',
        "datasets": '["digits"]',
        "prune_ratios": "[0.3, 0.5, 0.7]",
        "seeds": "[1, 2, 3]",
    }[key]
