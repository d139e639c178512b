"""A study: a TOML file that names methods, models, data sets, ratios and seeds; its grid is the list of runs.

    [study]
    methods = ["lottery-ticket", "eb-train"]
    models = ["vgg16"]
    datasets = ["cifar10"]
    prune_ratios = [0.3, 0.5, 0.7]
    seeds = [1, 2, 3]

    [[setting]]                 # optional: other ratios for one model and data set
    model = "vgg16"
    dataset = "cifar100"
    prune_ratios = [0.1, 0.3, 0.5]

    [schedule]                  # all of it optional
    epochs = 160
    milestones = [80, 120]

    [method.eb-train]           # options of a method: its keyword arguments
    epsilon = 0.1
"""
import itertools
import pkgutil
from pathlib import Path
from typing import Any

import tomllib

from harness.errors import HarnessError
from harness.options import resolve_options
from harness.registry import dotted, nearest
from harness.spec import RunSpec, check_field, check_milestones, check_name, from_dict

# key of [study] -> (field of a run, whether it is a list there)
STUDY = {"methods": ("method", True), "models": ("model", True), "datasets": ("dataset", True), "prune_ratios": ("prune_ratio", True),
         "seeds": ("seed", True), "width": ("width", False), "device": ("device", False)}
REQUIRED = ("methods", "models", "datasets", "prune_ratios")
SCHEDULE = ("epochs", "batch", "lr", "milestones", "gamma", "momentum", "weight_decay", "sparsity", "micro_batch")
SETTING = ("model", "dataset", "prune_ratios")
TABLES = ("study", "setting", "schedule", "method")


def load(word: str) -> list[RunSpec]:
    """The runs of a study file, or of an included study by its name. Raises HarnessError that names file, table and key."""
    return runs_of(read(word), word)


def presets() -> list[str]:
    """The names of the included studies."""
    folder = Path(__file__).parent.parent / "presets"
    return sorted(path.stem for path in folder.glob("*.toml"))


def read(word: str) -> dict[str, Any]:
    """The tables of a study file, or of an included study by its name."""
    path = Path(word)
    if word in presets() and not path.is_file():
        data = pkgutil.get_data("harness", f"presets/{word}.toml")
    elif path.is_file():
        data = path.read_bytes()
    elif path.is_dir():
        raise HarnessError(f"{word}: is a folder", "name a study file (TOML), or one of: " + ", ".join(presets()))
    else:
        raise HarnessError(f"{word}: no such study", nearest(word, presets()) + "; or give the path of a TOML file")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HarnessError(f"{word}: not valid TOML: {error}", "texts need quotes, lists need commas") from None


def runs_of(tables: dict[str, Any], where: str) -> list[RunSpec]:
    """The grid of a study's tables, in the order in which stages are best shared: setting and seed outside, then ratio, then method."""
    _check_keys(tables, TABLES, where, "table")
    for name in ("study", "schedule", "method"):
        if not isinstance(tables.get(name, {}), dict):
            raise HarnessError(f"{where}: {name} must be a table", f"write [{name}] on a line of its own")
    study = _study(tables.get("study", {}), f"{where} [study]")
    schedule = _schedule(tables.get("schedule", {}), f"{where} [schedule]")
    options = _options(tables.get("method", {}), study["methods"], where)
    single = {field: study[key] for key, (field, several) in STUDY.items() if not several and key in study}
    ratios = _ratios(tables.get("setting", []), study, where)
    grid = itertools.product(study["models"], study["datasets"], study["seeds"])
    runs = [from_dict(dict(single, **schedule, model=model, dataset=dataset, seed=seed, prune_ratio=ratio, method=method,
                           options=options.get(method, {})), where)
            for model, dataset, seed in grid
            for ratio, method in itertools.product(ratios.get((model, dataset), study["prune_ratios"]), study["methods"])]
    return list(dict.fromkeys(runs))


def _study(table: dict[str, Any], where: str) -> dict[str, Any]:
    _check_keys(table, STUDY, where, "key")
    for key in REQUIRED:
        if key not in table:
            raise HarnessError(f"{where}: lacks {key}", f"for instance {key} = {_example(key)}")
    checked = {"seeds": [1]}
    for key, value in table.items():
        field, several = STUDY[key]
        if several and (not isinstance(value, list) or not value):
            raise HarnessError(f"{where}: {key} must be a list with at least one entry, not {value!r}",
                               f"for instance {key} = {_example(key)}")
        values = [check_field(field, one, f"{where} {key}") for one in (value if several else [value])]
        if field in ("method", "model", "dataset"):
            for one in values:
                check_name(field, one, f"{where} {key}")
        checked[key] = values if several else values[0]
    return checked


def _ratios(entries: Any, study: dict[str, Any], where: str) -> dict[tuple[str, str], list[float]]:
    """The ratios of the settings that have their own."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise HarnessError(f"{where}: setting must be a list of tables", "write [[setting]] on a line of its own")
    found = {}
    for number, entry in enumerate(entries, 1):
        place = f"{where} [[setting]] {number}"
        _check_keys(entry, SETTING, place, "key")
        missing = [key for key in SETTING if key not in entry]
        if missing:
            raise HarnessError(f"{place}: lacks {missing[0]}", "it needs model, dataset and prune_ratios")
        for key, several in (("model", "models"), ("dataset", "datasets")):
            if entry[key] not in study[several]:
                raise HarnessError(f"{place}: {key} {entry[key]!r} is not in [study] {several}", nearest(entry[key], study[several]))
        if not isinstance(entry["prune_ratios"], list) or not entry["prune_ratios"]:
            raise HarnessError(f"{place}: prune_ratios must be a list with at least one entry", "for instance prune_ratios = [0.1, 0.3]")
        found[entry["model"], entry["dataset"]] = [check_field("prune_ratio", one, f"{place} prune_ratios")
                                                   for one in entry["prune_ratios"]]
    return found


def _schedule(table: dict[str, Any], where: str) -> dict[str, Any]:
    _check_keys(table, SCHEDULE, where, "key")
    checked = {key: check_field(key, value, where) for key, value in table.items() if key != "milestones"}
    checked["milestones"] = list(check_milestones(table.get("milestones"), checked.get("epochs", 160), where))
    return checked


def _options(table: dict[str, Any], methods: list[str], where: str) -> dict[str, Any]:
    for name, options in table.items():
        place = f"{where} [method.{name}]"
        check_name("method", name, place)
        if not isinstance(options, dict):
            raise HarnessError(f"{place}: must be a table", f"write [method.{name}] on a line of its own")
        resolve_options(dotted("method", name), options, place)
    return {name: table[name] for name in methods if name in table}


def _check_keys(table: dict[str, Any], known: Any, where: str, what: str) -> None:
    for key in table:
        if key not in known:
            raise HarnessError(f"{where}: unknown {what} {key!r}", nearest(key, known))


def _example(key: str) -> str:
    return {"methods": '["eb-train"]', "models": '["vgg16"]', "datasets": '["digits"]', "prune_ratios": "[0.3, 0.5, 0.7]",
            "seeds": "[1, 2, 3]"}[key]

