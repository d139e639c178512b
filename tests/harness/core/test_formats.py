"""The declared formats: documented, the same as JSON Schema, and what is written keeps them."""

import importlib.util
import json
import math
import os
import re
import sys
from pathlib import Path

import pytest

from joulebird.harness.core import formats, records, settings
from tests.reports.write_runs import small_study

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


@pytest.fixture(scope="module")
def generate():
    """The module docs/generate.py, which is run on the desk."""
    if sys.version_info < (3, 11):
        pytest.skip("the desk's Python")
    spec = importlib.util.spec_from_file_location(
        "generate", os.path.join(ROOT, "docs", "generate.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def accepts(schema, value):
    """Whether a value keeps a JSON Schema: as much of draft 2020-12 as docs/schemas uses."""
    assert set(schema) <= KEYWORDS, set(schema) - KEYWORDS
    types = {
        "integer": int,
        "number": (int, float),
        "string": str,
        "boolean": bool,
        "array": list,
        "object": dict,
        "null": type(None),
    }
    kind = schema.get("type")
    if kind and (
        not isinstance(value, types[kind]) or (isinstance(value, bool) and kind != "boolean")
    ):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "anyOf" in schema and not any(accepts(one, value) for one in schema["anyOf"]):
        return False
    for rule in schema.get("allOf", []):
        if accepts(rule["if"], value) and not accepts(rule["then"], value):
            return False
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        items = schema.get("items", {})
        return len(value) >= schema.get("minItems", 0) and all(accepts(items, x) for x in value)
    if isinstance(value, dict):
        known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        rest = {} if rest is True else rest
        return (
            all(name in value for name in schema.get("required", []))
            and all(accepts(schema.get("propertyNames", {}), name) for name in value)
            and all(
                name in known or rest is not False and accepts(rest, part)
                for name, part in value.items()
            )
            and all(accepts(known[name], value[name]) for name in known if name in value)
        )
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (
            value >= schema.get("minimum", -math.inf)
            and value <= schema.get("maximum", math.inf)
            and value > schema.get("exclusiveMinimum", -math.inf)
            and value < schema.get("exclusiveMaximum", math.inf)
        )
    return True


KEYWORDS = {"$schema", "title", "description", "type", "properties", "required", "items"}
KEYWORDS |= {"additionalProperties", "propertyNames", "minItems", "pattern", "minimum", "maximum"}
KEYWORDS |= {"exclusiveMinimum", "exclusiveMaximum", "anyOf", "allOf", "const"}


def test_the_committed_documents_are_the_generated_ones(generate):
    stale = [
        str(path)
        for path, text in generate.contents().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, "type `make formats`, and commit the changes"


def test_every_table_is_in_the_document_and_every_field_has_a_meaning(generate):
    text = (Path(ROOT) / "docs" / "formats.md").read_text(encoding="utf-8")
    silent = {"event-" + name for name in formats.EVENTS if len(formats.EVENTS[name].fields) == 2}
    for name, schema in generate.TABLES.items():
        assert f"<!-- table {name} -->" in text or name in silent, name
        assert all(field.doc for field in schema.fields.values())


def test_records_have_the_fields_of_their_formats():
    assert list(records.StageRecord._fields) == list(formats.STAGE.fields)
    assert list(records.RunRecord._fields) == list(formats.RECORD.fields)


def folder_values(root):
    """Every JSON value in a folder of runs, with the name of its schema file."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".json"):
                yield name[:-5], json.loads(Path(path).read_text())
            elif name == records.EVENTS:
                for line in Path(path).read_text().splitlines():
                    yield "event", json.loads(line)


def test_a_run_folder_keeps_its_json_schemas(tmp_path, generate):
    small_study(tmp_path, ratios=(0.5,), idle_s=2.0)
    schemas = {
        path.stem: json.loads(text)
        for path, text in generate.contents().items()
        if path.suffix == ".json"
    }
    seen = set()
    for name, value in folder_values(str(tmp_path)):
        assert accepts(schemas[name], value), (name, value)
        seen.add(name)
        broken = dict(value, **{"t_s" if name == "event" else "id": [1]})
        assert name == "spec" or not accepts(schemas[name], broken)
    assert {"stage", "record", "spec", "event"} <= seen


def test_json_schemas_are_well_formed(generate):
    """As the package jsonschema says where it is installed; our own walk knows every keyword."""
    jsonschema = pytest.importorskip("jsonschema")
    for path, text in generate.contents().items():
        if path.suffix == ".json":
            jsonschema.Draft202012Validator.check_schema(json.loads(text))


def test_a_field_that_a_newer_format_brought_is_needed_from_then_on():
    from joulebird.harness.core.errors import HarnessError
    from joulebird.harness.core.schema import TEXT, Field, Schema

    schema = Schema("x", "x", [Field("a", TEXT, "a"), Field("b", TEXT, "b", since=2)], version=2)
    schema.check({"format": 1, "a": "x"}, "x.json")
    with pytest.raises(HarnessError, match=r"x.json: lacks the field 'b'"):
        schema.check({"format": 2, "a": "x"}, "x.json")
    with pytest.raises(HarnessError, match="format 3, and this joulebird reads up to 2") as refused:
        schema.check({"format": 3, "a": "x"}, "x.json")
    assert refused.value.hint == "update joulebird"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "x.json: has the wrong type (expected a table, got [])"),
        ({"seed": True}, "x.json: field 'seed' has the wrong type (expected an integer, got True)"),
        ({"lr": float("nan")}, "x.json: field 'lr' has the wrong type (expected a number, got nan"),
        ({"lr": 10**5000}, "expected a number, got a huge integer"),
        ({"milestones": [1, "2"]}, "field 'milestones' has the wrong type (expected a list of int"),
        ({"milestones": [1, -2]}, "field 'milestones' must be increasing (got [1, -2])"),
        ({"seed": 2**31}, "field 'seed' must be at least 0 and at most 2147483647"),
        ({"metod": "x"}, "unknown field 'metod'"),
        ({"device": "cuda\n"}, "field 'device' must be one of"),
        ({"method": "\ud800"}, "field 'method' has the wrong type"),
    ],
)
def test_a_wrong_value_is_one_line(value, text):
    from joulebird.harness.core.errors import HarnessError

    good = {"method": "a", "model": "b", "dataset": "c", "prune_ratio": 0}
    with pytest.raises(HarnessError) as refused:
        settings.SPEC.check(dict(good, **value) if isinstance(value, dict) else value, "x.json")
    assert text in refused.value.message
    assert "\n" not in refused.value.message
