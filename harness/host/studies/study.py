"""A study: a TOML file; its grid of methods, models, data sets, ratios and seeds gives the runs.

    [study]
    methods = ["lottery-ticket", "eb-train"]
    models = ["vgg16"]
    datasets = ["cifar10"]
    prune_ratios = [0.3, 0.5, 0.7]
    seeds = [1, 2, 3]

    [[setting]]                 # optional: other ratios or schedule for one model and data set
    model = "vgg16"
    dataset = "cifar100"
    prune_ratios = [0.1, 0.3, 0.5]

    [schedule]                  # all of it optional
    epochs = 160
    milestones = [80, 120]

    [method.eb-train]           # options of a method: its keyword arguments
    epsilon = 0.1

    [[variant]]                 # optional: one more row of a method, with options of its own
    method = "eb-train"
    options = {weights = "reinit"}

A variant's options are laid over those of [method.NAME]; beside variants, `methods` may be absent.
docs/formats.md has all fields. A setting's schedule is laid over [schedule], a variant's over both;
one that changes the epochs and names no milestones gets the default ones.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import nearest
from joulebird.harness.host import settings
from joulebird.harness.host.config import from_toml
from joulebird.harness.runs.options import resolve_options
from joulebird.harness.runs.spec import RunSpec, find_name, resolved

PRESETS = Path(__file__).parents[2] / "presets"
Table = dict[str, Any]
# field of [study] -> field of a run
LISTS = {"methods": "method", "models": "model", "datasets": "dataset"}


class Row(NamedTuple):
    """A method with all its options.

    `models`, `datasets` and `prune_ratios` are None where it has no list of its own.
    """

    method: str
    options: Table
    models: list[str] | None = None
    datasets: list[str] | None = None
    prune_ratios: list[float] | None = None
    schedule: Table = {}

    def is_for(self, model: str, dataset: str) -> bool:
        """Return whether the row stands in this setting."""
        in_model = self.models is None or model in self.models
        return in_model and (self.datasets is None or dataset in self.datasets)


def load(word: str) -> list[RunSpec]:
    """Return the runs of a study file, or of an included study by its name.

    Raises HarnessError that names file and field.
    """
    return runs_of(read(word), word)


def presets() -> list[str]:
    """Return the names of the included studies."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def read(word: str) -> Table:
    """Return the tables of a study file, or of an included study by its name."""
    included = word in presets() and not Path(word).is_file()
    path = PRESETS / f"{word}.toml" if included else Path(word)
    if path.is_dir():
        raise HarnessError(
            f"{word}: is a folder", "name a study file (TOML), or one of: " + ", ".join(presets())
        )
    if not path.is_file():
        raise HarnessError(
            f"{word}: no such study",
            nearest(word, presets()) + "; or give the path of a TOML file",
        )
    return from_toml(path.read_bytes(), word, "texts need quotes, lists need commas")


def runs_of(tables: Table, where: str) -> list[RunSpec]:
    """Return the grid of a study's tables.

    The order is that in which stages are best shared: setting and seed outside, then ratio, then
    method.
    """
    settings.STUDY.check(tables, where)
    study = {"methods": [], "seeds": [1], **tables["study"]}
    rows = _rows(tables, study, where)
    own = _settings(tables.get("setting", []), study, where)
    shared = {name: study[name] for name in ("width", "device") if name in study}
    runs = []
    grid = itertools.product(study["models"], study["datasets"], study["seeds"])
    for model, dataset, seed in grid:
        setting = own.get((model, dataset), {})
        ratios = setting.get("prune_ratios", study["prune_ratios"])
        fixed = dict(shared, model=model, dataset=dataset, seed=seed)
        for ratio, row in _cells([row for row in rows if row.is_for(model, dataset)], ratios):
            schedules = tables.get("schedule", {}), setting.get("schedule", {}), row.schedule
            cell = dict(fixed, method=row.method, prune_ratio=ratio)
            runs.append(resolved({**cell, **merge_schedules(*schedules)}, row.options))
    return list(dict.fromkeys(runs))


def _cells(rows: list[Row], ratios: list[float]) -> list[tuple[float, Row]]:
    """Return all ratios with the rows that have them; `ratios` are those of rows without a list."""
    lists = [ratios if row.prune_ratios is None else row.prune_ratios for row in rows]
    every = dict.fromkeys(itertools.chain(*lists))
    pairs = list(zip(rows, lists, strict=True))
    return [(ratio, row) for ratio in every for row, own in pairs if ratio in own]


def _rows(tables: Table, study: Table, where: str) -> list[Row]:
    """Return the rows of the methods and of the variants; the only check of options."""
    for field, kind in LISTS.items():
        for name in study[field]:
            find_name(kind, name, f"{where} [study] {field}")
    given = tables.get("method", {})
    options = {name: _options(name, given[name], f"{where} [method.{name}]") for name in given}
    rows = [
        Row(name, options[name] if name in options else _options(name, {}, where))
        for name in study["methods"]
    ]
    for number, entry in enumerate(tables.get("variant", []), 1):
        place = f"{where}, variant #{number}"
        rows += _variant(entry, given.get(entry["method"], {}), study, place)
    if not rows:
        raise HarnessError(
            f"{where}: lacks the field 'study.methods'", 'for instance methods = ["eb-train"]'
        )
    return rows


def _variant(entry: Table, base: Table, study: Table, where: str) -> Iterator[Row]:
    """Yield the rows of one variant; `base` are the options of [method.NAME]."""
    for key in ("models", "datasets"):
        for name in entry.get(key, []):
            _require_in(name, key, study, where)
    options, each = entry.get("options", {}), entry.get("each", {})
    for name in options:
        if name in each:
            raise HarnessError(f"{where}: {name} is in options and in each", "name it once")
    lists = {name: entry.get(name) for name in ("models", "datasets", "prune_ratios")}
    for values in itertools.product(*each.values()):
        chosen = {**base, **options, **dict(zip(each, values, strict=True))}
        checked = _options(entry["method"], chosen, f"{where} options")
        yield Row(entry["method"], checked, schedule=entry.get("schedule", {}), **lists)


def _options(method: str, given: Table, where: str) -> Table:
    """Return all options of a method; raises HarnessError that names the place."""
    return resolve_options(find_name("method", method, where), given, where)


def _settings(entries: list[Table], study: Table, where: str) -> dict[tuple[str, str], Table]:
    """Return the settings with ratios or a schedule of their own, by model and data set."""
    for number, entry in enumerate(entries, 1):
        place = f"{where}, setting #{number}"
        if "prune_ratios" not in entry and "schedule" not in entry:
            raise HarnessError(
                f"{place}: lacks the field 'prune_ratios'",
                "it needs model, dataset, and prune_ratios or a schedule",
            )
        _require_in(entry["model"], "models", study, place)
        _require_in(entry["dataset"], "datasets", study, place)
    return {(entry["model"], entry["dataset"]): entry for entry in entries}


def _require_in(name: str, key: str, study: Table, where: str) -> None:
    """Raise HarnessError for a name that is not in a list of [study]."""
    if name not in study[key]:
        raise HarnessError(
            f"{where}: {LISTS[key]} {name!r} is not in [study] {key}", nearest(name, study[key])
        )


def merge_schedules(*tables: Table) -> Table:
    """Lay schedules over each other, the last on top.

    New epochs without milestones remove the milestones of the tables below.

    >>> merge_schedules({"epochs": 160, "milestones": [80, 120], "lr": 0.1}, {"epochs": 90})
    {'epochs': 90, 'lr': 0.1}
    >>> merge_schedules({"epochs": 160, "milestones": [80, 120]}, {"lr": 0.5})
    {'epochs': 160, 'milestones': [80, 120], 'lr': 0.5}
    """
    merged: Table = {}
    for table in tables:
        if "epochs" in table and "milestones" not in table:
            merged.pop("milestones", None)
        merged.update(table)
    return merged
