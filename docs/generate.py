"""Write the tables of docs/formats.md and docs/schemas/*.json from the declared formats.

python docs/generate.py            (make formats)
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from joulebird.harness.core import formats, settings  # noqa: E402
from joulebird.harness.core.schema import Either, Kind, Schema, integer  # noqa: E402
from joulebird.harness.host import settings as desk  # noqa: E402

TABLES = {
    "source": formats.SOURCE,
    "accuracy": formats.SENSOR_ACCURACY,
    "clock": formats.CLOCK,
    "event": formats.EVENT,
    **{f"event-{name}": schema for name, schema in formats.EVENTS.items()},
    "stage": formats.STAGE,
    "work": formats.WORK,
    "warning": formats.WARNING,
    "metrics": formats.METRICS,
    "environment": formats.ENVIRONMENT,
    "recorded-source": formats.RECORDED_SOURCE,
    "log": formats.COUNTS,
    "record": formats.RECORD,
    "run-accuracy": formats.ACCURACY,
    "recipe": formats.RECIPE,
    "spec": settings.SPEC,
    "study": desk.STUDY,
    "study-grid": desk.STUDY_TABLE,
    "setting": desk.SETTING,
    "variant": desk.VARIANT,
    "schedule": settings.SCHEDULE,
    "defaults": desk.DEFAULTS,
    "board": desk.BOARD,
}
FILES = {
    "source": formats.SOURCE,
    "clock": formats.CLOCK,
    "stage": formats.STAGE,
    "record": formats.RECORD,
    "recipe": formats.RECIPE,
    "spec": settings.SPEC,
    "study": desk.STUDY,
    "config": desk.CONFIG,
}
BASES = {"event-": formats.EVENT, "recorded-source": formats.SOURCE}


def table(name: str, schema: Schema) -> str:
    """Return the Markdown table of a schema's own fields."""
    base = next((base for prefix, base in BASES.items() if name.startswith(prefix)), None)
    lines = ["| field | type | unit | meaning |", "|---|---|---|---|"]
    if schema.version and schema.extra == "keep":
        lines.append(f"| `format` | an integer | | version of the format, {schema.version} |")
    for field in schema.fields.values():
        if base is not None and field.name in base.fields:
            continue
        mark = "" if not field.optional else " *"
        rule = f", {field.kind.rule}" if field.kind.rule else ""
        words = field.kind.words.replace("|", "\\|") + rule.replace("|", "\\|")
        since = f" (since format {field.since})" if field.since > 1 else ""
        example = f"; for instance `{field.example}`" if field.example else ""
        meaning = field.doc + since + example
        lines.append(f"| `{field.name}`{mark} | {words} | {field.unit} | {meaning} |")
    return "\n".join(lines) if len(lines) > 2 else "No fields of its own."


def page(text: str) -> str:
    """Return the page with every table between its markers made anew."""

    def made(match: re.Match) -> str:
        name = match[1]
        return f"<!-- table {name} -->\n{table(name, TABLES[name])}\n<!-- end -->"

    return re.sub(r"<!-- table ([\w-]+) -->\n.*?<!-- end -->", made, text, flags=re.DOTALL)


def json_schema(schema: Schema) -> dict:
    """Return the JSON Schema of one file or line."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"joulebird {schema.name}",
    }
    return {**head, **of_table(schema)}


def of_kind(kind: Kind) -> dict:
    """Return the JSON Schema of a kind of values."""
    if isinstance(kind, Schema):
        return of_table(kind)
    if isinstance(kind, Either):
        return {"anyOf": [of_kind(one) for one in kind.kinds]}
    inner = "items" if kind.type == "array" else "additionalProperties"
    known = {"type": kind.type} if kind.type else {}
    return {**known, **kind.keywords, **({inner: of_kind(kind.item)} if kind.item else {})}


def of_table(schema: Schema) -> dict:
    """Return the JSON Schema of a table with named fields."""
    fields = {
        name: {**of_kind(field.kind), "description": field.doc}
        for name, field in schema.fields.items()
    }
    needed = [field.name for field in schema.fields.values() if not field.optional]
    if schema.version:
        fields["format"] = of_kind(integer(1, schema.version))
        needed += ["format"] * (schema.extra == "keep")
    return {
        "type": "object",
        "description": schema.doc,
        "properties": fields,
        "required": needed,
        "additionalProperties": schema.extra == "keep",
    }


def event_schema() -> dict:
    """Return the JSON Schema of a line of events.jsonl: the fields depend on the event's name."""
    rules = [
        {"if": {"properties": {"event": {"const": name}}}, "then": of_table(schema)}
        for name, schema in formats.EVENTS.items()
    ]
    return {**json_schema(formats.EVENT), "allOf": rules}


def contents() -> dict[Path, str]:
    """Return the text of every generated file."""
    path = ROOT / "docs" / "formats.md"
    schemas = {name: json_schema(schema) for name, schema in FILES.items()}
    schemas["event"] = event_schema()
    texts = {
        ROOT / "docs" / "schemas" / f"{name}.json": json.dumps(schema, indent=1) + "\n"
        for name, schema in schemas.items()
    }
    return {path: page(path.read_text(encoding="utf-8")), **texts}


if __name__ == "__main__":
    (ROOT / "docs" / "schemas").mkdir(exist_ok=True)
    for path, text in contents().items():
        path.write_text(text, encoding="utf-8")
