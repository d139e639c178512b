"""Files on the board: listed, hashed, put in place only when they are what was sent."""

import os

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.onboard import files


@pytest.fixture
def tree(tmp_path):
    """Two runs, one of them still being written."""
    for name, text in (
        ("a/spec.json", "1"),
        ("a/record.json", "22"),
        ("b/power.csv", "333"),
        ("b/power.csv.part-7", "x"),
        ("c/x", "y"),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_listing_has_what_was_asked_for_and_is_whole(tree):
    found = files.listing(str(tree), ["a", "b", "absent"])
    assert [(name, size) for name, size, _ in found] == [
        ("a/record.json", 2),
        ("a/spec.json", 1),
        ("b/power.csv", 3),
    ]
    assert found[0][2] == os.stat(str(tree / "a/record.json")).st_mtime_ns


def test_hash_depends_on_names_and_contents_only(tree):
    before = files.tree_hash(str(tree / "a"))
    os.utime(str(tree / "a/spec.json"), (1, 1))
    assert files.tree_hash(str(tree / "a")) == before
    (tree / "a/spec.json").write_text("2")
    changed = files.tree_hash(str(tree / "a"))
    os.rename(str(tree / "a/spec.json"), str(tree / "a/specs.json"))
    assert len({before, changed, files.tree_hash(str(tree / "a"))}) == 3


def test_an_empty_data_set_is_refused(tree):
    with pytest.raises(HarnessError, match="no such folder"):
        files.tree_hash(str(tree / "absent"))


def test_settle_renames_only_what_is_right(tree):
    part, final = str(tree / "a"), str(tree / "final")
    with pytest.raises(HarnessError, match="damaged"):
        files.settle(part, final, "0" * 64)
    assert not os.path.exists(final)
    files.settle(part, final, files.tree_hash(part))
    assert os.path.exists(os.path.join(final, "spec.json"))
