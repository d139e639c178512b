"""Every warning that the code can give has its text and its remedy in the one table, and gives the
facts that the text needs.
"""

import ast
import re
import sys

import pytest

from joulebird.harness.runs.warnings import WARNINGS
from tests.test_layers import sources, tree_of


def calls():
    """(file, warning's name, names of the facts given) of every `....warn("name", fact=...)`."""
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and node.args:
                called = (
                    node.func.attr
                    if isinstance(node.func, ast.Attribute)
                    else getattr(node.func, "id", "")
                )
                name = getattr(
                    node.args[0], "s" if sys.version_info < (3, 8) else "value", None
                )  # ast.Str on Python 3.6
                if called == "warn" and isinstance(name, str):
                    yield path, name, [word.arg for word in node.keywords]


@pytest.mark.parametrize(("path", "name", "facts"), list(calls()))
def test_a_warning_is_in_the_table_with_the_facts_it_needs(path, name, facts):
    assert name in WARNINGS, f"{path} warns {name!r}, which harness/runs/warnings.py does not know"
    needed = re.findall(r"{(\w+)}", WARNINGS[name][0])
    assert None in facts or not set(needed) - set(facts), (
        f"{path} gives {name!r} the facts {facts}, its text needs {needed}"
    )


def test_calls_were_found():
    assert len(list(calls())) >= 5
