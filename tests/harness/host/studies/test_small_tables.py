"""Tables 1, 2 and 4 of small versions of the included studies, really trained, all in one folder
of runs.
"""

import json

import pytest

from joulebird.harness.host.studies import study
from tests.harness.command import joulebird

pytestmark = pytest.mark.slow
EPOCHS = 3


def small(name):
    """The runs of an included study on the digits: one model and ratio, a sixteenth of the
    width, three epochs, two draws.
    """
    tables = study.read(name)
    tables["study"].update(
        models=["vgg16"], datasets=["digits"], prune_ratios=[0.5], seeds=[1], width=0.0625
    )
    tables["schedule"].update(epochs=EPOCHS, milestones=[1, 2], batch=128)
    tables.pop("setting", None)
    if name == "table2":
        tables["study"]["methods"] = ["snip"]
        tables["method"] = {
            "eb-train": {"criterion": "code", "window": 2, "epsilon": 1.0}
        }  # satisfied after one epoch
    tables["variant"] = [
        entry for entry in tables["variant"] if "vgg16" in entry.get("models", ["vgg16"])
    ]
    for entry in tables["variant"]:
        if "each" in entry:
            entry["each"] = {"draw_at": [1, EPOCHS]}
        if "search_milestones" in entry.get("options", {}):
            entry["options"]["search_milestones"] = [0, 2]
    return study.runs_of(tables, name)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The finished runs of all three studies."""
    folder = tmp_path_factory.mktemp("tables")
    specs = list(
        dict.fromkeys(spec for name in ("table2", "table1", "table4") for spec in small(name))
    )
    assert [len(small(name)) for name in ("table1", "table2", "table4")] == [4, 5, 4]
    assert len(specs) == 11
    (folder / "specs.json").write_text(json.dumps([spec.to_dict() for spec in specs]))
    code, _, errors = joulebird(
        "run",
        folder / "specs.json",
        "--runs",
        folder / "runs",
        "--source",
        "simulated",
        "--idle",
        "0.3",
    )
    assert code == 0, errors
    return folder / "runs"


def table(number, runs):
    """The table's title, notes and rows (texts by heading)."""
    code, out, errors = joulebird("table", number, runs, "--json")
    assert code == 0
    assert errors == ""
    found = json.loads(out)
    return (
        found["title"],
        found["notes"],
        [{name: cell["text"] for name, cell in row.items()} for row in found["rows"]],
    )


def test_table_2_has_the_papers_rows_and_estimates_are_named(runs):
    title, notes, rows = table(2, runs)
    assert "[simulated]" in title
    assert [row["Method"] for row in rows if "Improv." not in row["Method"]] == [
        "SNIP",
        "EB Train (re-init)",
        "EB Train",
        "EB Train (LF), estimated",
        "EB Train (LL), estimated",
    ]
    assert [row["Method"] for row in rows if "Improv." in row["Method"]] == [
        "EB Train (re-init) Improv.",
        "EB Train Improv.",
        "EB Train (LF) Improv., estimated",
        "EB Train (LL) Improv., estimated",
    ]
    assert all(
        0 < float(row["Retrain acc. (%), p=50%"]) <= 100
        for row in rows
        if "Improv." not in row["Method"]
    )
    assert "Not in this table: 6 runs of tickets drawn at given epochs (tables 1 and 4)." in notes
    assert [note for note in notes if note.startswith("Estimated: rows in low precision")]


def test_table_1_has_a_row_for_each_schedule_of_the_search(runs):
    _, _, rows = table(1, runs)
    assert [(row["Model"], row["LR schedule"], row["p"]) for row in rows] == [
        ("VGG16", "[0, 2], lr 0.1", "50%"),
        ("VGG16", "[1, 2], lr 0.1", "50%"),
        ("VGG16", "[1, 2], lr 0.5", "50%"),
    ]
    for row in rows:
        assert [name for name in row if "acc" in name] == [
            "Retrain acc. (%), digits, 1",
            "Retrain acc. (%), digits, final",
        ]
        assert all(0 < float(row[name]) <= 100 for name in row if "acc" in name)


def test_table_4_has_a_row_for_each_initial_rate(runs):
    _, _, rows = table(4, runs)
    assert [row["Initial LR"] for row in rows] == ["0.1, [0, 2]", "0.1, [1, 2]", "0.5, [1, 2]"]


def test_the_variants_shared_their_stages(runs):
    code, out, _ = joulebird("plan", runs.parent / "specs.json", "--runs", runs, "--json")
    plan = json.loads(out)
    assert code == 0
    assert all(run["done"] for run in plan["runs"].values())
    names = [stage["name"] for stage in plan["stages"].values()]
    assert {name: names.count(name) for name in set(names)}["search"] == 2 + 6
    assert sorted(
        len(stage["runs"]) for stage in plan["stages"].values() if stage["name"] == "search"
    ) == [1] * 6 + [2, 2]
