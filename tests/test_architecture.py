"""ARCHITECTURE.md names files that exist, and its walks are as short as they must be."""

import os
import re

import pytest

from tests.conftest import ROOT
from tests.test_layers import FOLDERS

WALKS = {
    "A power sample to a table cell": 25,
    "A mask to a thin network's accuracy": 14,
    "An option from TOML to a keyword": 7,
}
STEP = re.compile(r"^(\d+)\. `([\w/]+\.\w+)`", re.MULTILINE)
FILE = re.compile(r"`((?:{}|tests|docs)/[\w/]+\.(?:py|md|toml|csv))`".format("|".join(FOLDERS)))


def document():
    """Return the text of ARCHITECTURE.md."""
    with open(os.path.join(ROOT, "ARCHITECTURE.md"), encoding="utf-8") as file:
        return file.read()


def section(title):
    """Return the text below a heading of the third level."""
    _, heading, rest = document().partition(f"### {title}\n")
    assert heading, f"no section {title!r}"
    return re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]


def walk(title):
    """Return the files on the way of a walk, in order; `tests/test_walks.py` holds them true."""
    steps = STEP.findall(section(title))
    assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
    return [path for _, path in steps]


def exists(path):
    """Return whether a path of the documents is a file, in a checkout or an unpacked sdist."""
    tops = ("joulebird", "") if path.partition("/")[0] in FOLDERS else ("",)
    return any(os.path.isfile(os.path.join(ROOT, top, path)) for top in tops)


@pytest.mark.parametrize(("title", "most"), sorted(WALKS.items()))
def test_a_walk_enters_few_files_that_exist(title, most):
    files = walk(title)
    assert [path for path in files if not exists(path)] == []
    assert 3 <= len(set(files)) <= most


def test_every_named_file_exists():
    assert [path for path in FILE.findall(document()) if not exists(path)] == []


def test_every_link_leads_somewhere():
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            links = re.findall(r"\]\(([\w./-]+)\)", file.read())
        assert [link for link in links if not os.path.exists(os.path.join(ROOT, link))] == []
