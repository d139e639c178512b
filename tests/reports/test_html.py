"""The self-contained page."""

import html.parser
import os
import re
from collections import Counter

import pytest

from joulebird.reports.html import page
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.records import load as runs_of
from joulebird.reports.runs.records import unique_stages
from joulebird.reports.tables.runs import runs_table, stages_table
from tests.reports.write_runs import Folder, small_study

VOID_TAGS = {"meta", "br", "img", "link", "hr"}


class Balance(html.parser.HTMLParser):
    """Fails on tags that are not closed in order; collects tags and text."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], set(), []

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open[-1:] == [tag]
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    small_study(root, ratios=(0.5,))
    return root


def test_the_page_is_whole_and_stands_alone(study):
    text = page([study])
    reader = Balance()
    reader.feed(text)
    assert reader.open == []
    assert {"table", "svg", "details"} <= reader.seen
    assert not {"script", "img", "link", "iframe"} & reader.seen
    assert not re.findall(r'(?:src|href)\s*=\s*"(?!#)', re.sub(r"xmlns[^>]*", "", text))
    shown = " ".join(reader.text)
    for wanted in (
        "EB Train Improv.",
        "Every run, shared stages counted in full",
        "R16",
        "ina3221",
    ):
        assert wanted in shown


def test_the_same_runs_give_the_same_bytes(study):
    assert page([study]) == page(str(study))


def test_a_page_reads_each_log_once_and_once_more_for_the_check(study, monkeypatch):
    counts, load = Counter(), PowerTrace.load
    monkeypatch.setattr(
        PowerTrace,
        "load",
        lambda path: counts.update([os.path.basename(os.path.dirname(path))]) or load(path),
    )
    page([study])
    stages = {stage.id for stage in unique_stages(runs_of([study]))}
    assert {name: counts[name] for name in stages} == dict.fromkeys(stages, 2)


def test_simulated_is_seen_at_once_and_names_are_escaped(tmp_path):
    folder = Folder(
        tmp_path,
        source={"name": "simulated", "simulated": True, "real": False},
        environment={"host": "<board>"},
    )
    folder.run("snip", 0.5, [folder.stage("s-1", 2)])
    text = page([tmp_path])
    assert '<span class="word">simulated</span>' in text
    assert "<board>" not in text
    assert "&lt;board&gt;" in text


def test_every_energy_of_a_run_and_a_stage_has_its_words_beside_it(tmp_path, study):
    folder = Folder(tmp_path, source={"name": "simulated", "real": False})
    folder.run("eb-train", 0.5, [folder.stage("s-1", 2, precision="bfp8"), folder.stage("r-1", 3)])
    runs = runs_of([tmp_path])
    (one,) = runs_table(runs).lines
    assert all(
        cell.text.endswith(" (estimated, simulated)") for cell in (one[3], one[4], one[5], one[8])
    )
    assert one[6].text == "0"
    assert [row[4].text.partition(" (")[2] for row in stages_table(runs).lines] == [
        "estimated, simulated)",
        "simulated)",
    ]
    assert "(estimated, simulated)</td>" in page([tmp_path])
    assert not any("(" in cell.text for row in runs_table(runs_of([study])).lines for cell in row)


def test_runs_without_power_still_have_a_page(tmp_path):
    folder = Folder(tmp_path)
    folder.run("snip", 0.5, [folder.stage("s-1", 2, logged=False)])
    assert "void" in page([tmp_path])
