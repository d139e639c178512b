"""JSON that no writer of ours writes is one error of one line."""

import pytest

from joulebird.harness.core import jsonfile, records
from joulebird.harness.core.errors import HarnessError


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "not valid JSON"),
        ("[" * 100000, "nested more than 100 deep"),
        ("[" * 3000 + "]" * 3000, "nested more than 100 deep"),
        ("[" * 101 + "]" * 101, "nested more than 100 deep"),
        ("1" * 5000, "an integer of 5000 digits"),
        ("-" + "1" * 20, "an integer of 20 digits"),
        ("[NaN]", "NaN is not a finite number"),
        ("[-Infinity]", "-Infinity is not a finite number"),
        ("[1e999]", "1e999 is not a finite number"),
        ('{"a": 1, "a": 2}', "'a' stands twice in one object"),
        ("\ufeff{}", "not valid JSON"),
        ("{} {}", "not valid JSON"),
    ],
)
def test_hostile_json_is_one_line(tmp_path, text, part):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HarnessError) as refused:
        jsonfile.load(str(path), "the remedy")
    assert part in refused.value.message
    assert str(path) in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.hint == "the remedy"


def test_bytes_that_are_no_text_and_folders_are_one_line(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(HarnessError, match="not valid JSON"):
        jsonfile.load(str(path), "")
    with pytest.raises(HarnessError, match="no such file"):
        jsonfile.load(str(tmp_path / "absent.json"), "")
    with pytest.raises(HarnessError, match="cannot be read"):
        jsonfile.load(str(tmp_path), "")
    with pytest.raises(HarnessError, match="cannot be read"):
        records.read_events(str(tmp_path))
