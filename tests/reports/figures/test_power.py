"""Figures: what they show, that they are honest, and that equal runs give equal bytes."""

import io

import numpy as np
import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.figures.power import power, timeline
from joulebird.reports.runs.records import load, unique_stages
from tests.reports.write_runs import Folder, small_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    small_study(root, ratios=(0.5,))
    return root


@pytest.mark.parametrize(
    ("form", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_forms_and_determinism(study, tmp_path, form, magic):
    first, second = tmp_path / f"a{form}", tmp_path / f"b{form}"
    power([study], first)
    power([study], second)
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()


def svg_of(paths):
    """The figure's own words: matplotlib draws text as paths and keeps each text in a comment."""
    out = io.BytesIO()
    power(paths, out, form=".svg")
    return out.getvalue().decode()


def test_the_figure_names_scope_and_stages(study):
    text = svg_of([study])
    assert "VDD_IN (module) on tx2-a by ina3221" in text
    assert "power (W)" in text
    assert "simulated" not in text
    for name in ("dense", "search", "score", "nsretrain"):
        assert f"<!-- {name} -->" in text


def test_simulated_is_written_across_it(tmp_path):
    folder = Folder(tmp_path, source={"name": "simulated", "simulated": True, "real": False})
    folder.run("snip", 0.5, [folder.stage("s-1", 2)])
    text = svg_of([tmp_path])
    assert "[simulated]" in text
    assert "<!-- simulated -->" in text


def test_the_timeline_orders_stages_and_cuts_pauses(tmp_path):
    folder = Folder(tmp_path)
    one = folder.stage("one-1", 2, 10.0)
    folder.t_s += 5000.0
    two = folder.stage("two-1", 3, 6.0)
    folder.run("snip", 0.5, [two, one])
    line = timeline(unique_stages(load([tmp_path])))
    assert [(band.name, round(band.end_s - band.begin_s, 6)) for band in line.bands] == [
        ("one", 20.0),
        ("two", 30.0),
    ]
    assert len(line.cuts) == 1
    assert line.length_s == pytest.approx(51.0)
    assert [float(np.nanmax(part.max_w)) for part in line.stretches] == [10.0, 6.0]
    assert all(part.t_s[0] >= 0 and part.t_s[-1] <= line.length_s for part in line.stretches)


def test_a_hole_is_not_drawn_over(tmp_path):
    folder = Folder(tmp_path)
    folder.run("snip", 0.5, [folder.stage("s-1", 10, hole=(30, 60))])
    line = timeline(unique_stages(load([tmp_path])))
    assert len(line.stretches) == 2
    assert line.stretches[0].t_s[-1] == pytest.approx(30, abs=0.2)
    assert line.stretches[1].t_s[0] == pytest.approx(60, abs=0.2)


def test_what_cannot_be_drawn_says_why(study, tmp_path):
    with pytest.raises(HarnessError, match="jpeg") as caught:
        power([study], tmp_path / "a.jpeg")
    assert ".svg" in caught.value.hint
    with pytest.raises(HarnessError, match="cannot be written"):
        power([study], tmp_path / "no" / "a.png")
    folder = Folder(tmp_path / "bare")
    folder.run("snip", 0.5, [folder.stage("s-1", 2, logged=False)])
    with pytest.raises(HarnessError, match="no power was recorded"):
        power([tmp_path / "bare"], tmp_path / "a.png")
