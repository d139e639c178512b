"""Improvement over the strongest baseline, where the energy of one of them is void."""

import os

import pytest

from joulebird.harness.core import records as record
from joulebird.reports.tables.table2 import table2
from tests.reports.write_runs import small_study


def improvement(root):
    row = next(row for row in table2([root]).lines if row[1].data == "EB Train Improv.")
    return row[4], row[5]  # energy and FLOPs at p=30% and p=50%


def lose_power(root, *stages):
    for stage in stages:
        os.remove(os.path.join(record.stage_dir(str(root), stage), record.POWER))


def test_no_ratio_while_a_baseline_that_may_be_the_strongest_is_void(tmp_path):
    small_study(tmp_path)
    before, _ = improvement(tmp_path)
    assert before.text == "1.2× (SNIP) / 1.6× (SNIP)"
    lose_power(tmp_path, "score-30-1", "snip-30-1")
    lost, other = improvement(tmp_path)
    assert lost.text == "void (no SNIP) / 1.6× (SNIP)"
    assert other.text == before.text
    assert lost.data["energy_ratio"] is None
    assert lost.data["energy_void"] == ["SNIP"]
    assert other.data["energy_void"] == []
    assert lost.data["flops_ratio"] == pytest.approx(before.data["flops_ratio"])


def test_without_its_own_energy_it_is_just_void(tmp_path):
    small_study(tmp_path)
    lose_power(tmp_path, "search-30-1", "ebretrain-30-1")
    assert improvement(tmp_path)[0].text == "void / 1.6× (SNIP)"


def test_a_baseline_of_which_some_seeds_are_void_is_marked(tmp_path):
    small_study(tmp_path, seeds=(1, 2))
    lose_power(tmp_path, "score-30-1", "snip-30-1")
    marked, other = improvement(tmp_path)
    assert marked.text == "1.2× (SNIP, 1 of 2) / 1.6× (SNIP)"
    assert other.text == "1.2× (SNIP) / 1.6× (SNIP)"
