"""Figures: what they show, that they are honest, and that equal runs give equal bytes."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.figures.power import (
    STYLES,
    _groups,
    drawn,
    of_log,
    of_stages,
    power,
    timeline,
)
from joulebird.reports.logs.parts import marks_of
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.records import load, unique_stages
from tests.reports.write_logs import header, row
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


def line_of(root):
    return timeline(of_stages(unique_stages(load([root]))))


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
    line = line_of(tmp_path)
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
    line = line_of(tmp_path)
    assert len(line.faults.holes) == 1
    assert line.faults.holes[0] == pytest.approx((30, 60), abs=0.11)
    assert [band.void for band in line.bands] == [True]
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


def boxes(figure):
    """The extents of all texts that are seen; the words across the axes are left out."""
    figure.draw_without_rendering()
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            texts += [
                tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
            ]
        texts += axes.get_legend().get_texts()
    shown = [text for text in texts if text.get_text() and text.get_gid() != "stamp"]
    return [(text.get_text(), text.get_window_extent()) for text in shown]


def clear(figure):
    """No text overlaps another one, and none leaves the figure."""
    found = boxes(figure)
    whole = figure.bbox
    for i, (name, box) in enumerate(found):
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1, name
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1, name
        for other, against in found[i + 1 :]:
            assert not box.overlaps(against), (name, other)
    return [name for name, _ in found]


def test_texts_are_readable_at_100_runs(tmp_path):
    folder = small_study(tmp_path, ratios=(0.3, 0.5, 0.7, 0.9), seeds=(1, 2, 3, 4, 5))
    for number, letter in enumerate("abcdefgh"):
        kind = folder.stage(f"another long name of a stage {letter}-1", 3, 4.0)
        folder.run("snip", 0.1 + number / 100, [kind])
    names = clear(drawn([str(tmp_path)]))
    assert "7 others" in names  # 19 kinds of stages, 12 styles


def test_names_stand_above_bands_with_room(study, tmp_path):
    folder = Folder(tmp_path)
    stages = [folder.stage(f"{name}-1", epochs) for name, epochs in (("dense", 9), ("cut", 0))]
    folder.run("snip", 0.5, [*stages, folder.stage("retrain-1", 6)])
    figure = drawn([str(tmp_path)])
    clear(figure)
    assert [text.get_text() for text in figure.axes[0].texts] == ["dense", "retrain"]


def test_many_numbered_marks_get_round_numbers(tmp_path):
    folder = Folder(tmp_path, epoch_s=3.0)
    folder.run("snip", 0.5, [folder.stage("s-1", 160)])
    log = tmp_path / "stages" / "s-1" / "power.csv"
    names = clear(drawn([str(log)]))
    numbers = [int(name) for name in names if name.isdigit() and int(name) > 8]
    assert len(numbers) > 10
    assert {number % 5 for number in numbers} == {0}
    assert "epoch" in names


def test_no_two_kinds_of_stages_look_alike():
    groups = _groups([f"stage {letter}" for letter in "abcdefghijklmnop"])
    assert len(set(groups.values())) == len(STYLES) + 1 == len(set(STYLES)) + 1


def faulty_log(path):
    """Two boots; in the first failed reads, damaged lines and a hole of 10 s that void it."""
    text = header(boot_id="one")
    for k in range(2000):
        if 500 <= k < 700:
            continue
        text += "cut li\n" if k in (1500, 1501) else row(50_000 * k, 5000)
        text += row(50_000 * k + 1, None, status="EAGAIN") * (k in (100, 101, 102))
    text += header(boot_id="two").replace("1700000000.0", "1700009000.0")
    path.write_text(text + "".join(row(50_000 * k, 300) for k in range(1000)))
    return PowerTrace.load(str(path))


def test_holes_failures_and_damage_are_shown_where_they_are(tmp_path):
    trace = faulty_log(tmp_path / "power.csv")
    line = timeline(of_log(trace, marks_of(trace, trace.name)))
    assert line.faults.holes == [pytest.approx((24.95, 35.0))]
    assert line.faults.failed == pytest.approx([5.000001, 5.050001, 5.100001])
    assert line.faults.damaged == pytest.approx([75.1, 75.1])
    assert [(band.void, band.begin_s, band.end_s) for band in line.bands] == [(True, 0.0, 99.95)]
    assert len(line.cuts) == 1
    assert len(line.stretches) == 3
    names = clear(drawn([trace.name]))
    assert {"not recorded (1)", "failed reads (3)", "damaged lines (2)"} <= set(names)
    assert {"a pause, cut short (1)", "void, without an energy (1)"} <= set(names)


def test_logs_have_panels_words_and_units(tmp_path):
    faulty_log(tmp_path / "power.csv")
    foreign = tmp_path / ("a-very-long-name-of-a-log" * 6 + ".csv")
    foreign.write_text("t_s,power_w\n" + "".join(f"{k},{0.2 + k % 5 / 50}\n" for k in range(900)))
    traces = {str(tmp_path / "power.csv"): [], str(foreign): ["simulated", "estimated"]}
    figure = drawn(list(traces), load_log=lambda path: (PowerTrace.load(path), traces[path]))
    names = clear(figure)
    assert {"power (W)", "power (mW)", "time (min)"} <= set(names)
    assert any(name.endswith("[simulated]\n[estimated]") or "[estimated]" in name for name in names)
    stamps = [[t.get_text() for t in axes.texts if t.get_gid() == "stamp"] for axes in figure.axes]
    assert stamps == [[], ["simulated\nestimated"]]
    assert figure.axes[1].get_ylim()[1] > 200


def test_names_are_no_formulas(tmp_path):
    log = tmp_path / "a$b_{c$.csv"
    log.write_text("t_s,power_w\n" + "".join(f"{k},{k % 7}\n" for k in range(90)))
    power([log], tmp_path / "a.png")
    assert any("a$b_{c$.csv" in name for name in clear(drawn([str(log)])))


def test_negative_power_is_not_cut_off(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("t_s,power_w\n" + "".join(f"{k},{k % 7 - 3}\n" for k in range(90)))
    assert drawn([str(log)]).axes[0].get_ylim()[0] < -2


@pytest.mark.parametrize("form", [".png", ".svg", ".pdf"])
def test_equal_logs_are_equal_bytes(tmp_path, form):
    faulty_log(tmp_path / "power.csv")
    for name in ("a", "b"):
        power([tmp_path / "power.csv"], tmp_path / (name + form))
    assert (tmp_path / ("a" + form)).read_bytes() == (tmp_path / ("b" + form)).read_bytes()


@pytest.mark.parametrize("name", ["a\x00b", "a\x1bb"])
def test_control_characters_in_a_name_leave_the_picture_readable(tmp_path, name):
    log = tmp_path / "log.csv"
    log.write_text(f"time_s,{name} [W]\n" + "".join(f"{i},5\n" for i in range(50)))
    ElementTree.fromstring(svg_of([log]))


def test_a_very_long_name_leaves_the_axes_their_room(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(f"time_s,{'a' * 5000} [W]\n" + "".join(f"{i},5\n" for i in range(50)))
    figure = drawn([log])
    figure.draw_without_rendering()
    title = figure.axes[0].title.get_window_extent()
    assert figure.axes[0].get_window_extent().y1 < title.y0 < title.y1 < figure.bbox.y1
