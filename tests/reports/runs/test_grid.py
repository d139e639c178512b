"""Cells of several seeds, some without an energy, are marked in every form."""

import json
import os

import pytest

from joulebird.harness.core import records as record
from joulebird.reports.tables.table import FORMS
from joulebird.reports.tables.table2 import table2
from tests.reports.write_runs import Folder


@pytest.fixture
def two_seeds(tmp_path):
    folder = Folder(tmp_path)
    for seed, watts in ((1, 10.0), (2, 14.0)):
        folder.run("snip", 0.5, [folder.stage(f"s-{seed}", 2, watts)], seed=seed)
    return tmp_path


def cell_of(root):
    return table2([root]).lines[0][3]


def test_a_mean_over_some_of_the_seeds_says_how_many_in_every_form(two_seeds):
    whole = cell_of(two_seeds)
    assert whole.data["energy_j"] == pytest.approx(240.0)
    assert whole.data["energy_seeds"] == 2
    assert " of " not in whole.text
    os.remove(os.path.join(record.stage_dir(str(two_seeds), "s-2"), record.POWER))
    table = table2([two_seeds])
    one = table.lines[0][3]
    assert one.text.startswith("200.0 (1 of 2) / ")
    assert one.data["energy_seeds"] == 1
    assert len(one.data["runs"]) == 2
    assert all("200.0 (1 of 2)" in table.render(form) for form in FORMS)
    assert (
        json.loads(table.render("json"))["rows"][0]["Energy (J) / FLOPs (x0.05P), p=50%"]["value"][
            "energy_seeds"
        ]
        == 1
    )


def test_a_cell_without_any_energy_is_void_and_not_a_share(two_seeds):
    for seed in (1, 2):
        os.remove(os.path.join(record.stage_dir(str(two_seeds), f"s-{seed}"), record.POWER))
    assert cell_of(two_seeds).text.startswith("void / ")
    assert cell_of(two_seeds).data["energy_seeds"] == 0
