"""Statements, files and functions are counted, and a limit can be exceeded."""

import ast

from tests.lint.product import Module
from tests.lint.sizes import (
    FILE_MEDIAN,
    STATEMENTS,
    Sizes,
    functions,
    measure,
    statements,
)

TEXT = '''"""Hold two functions."""
import os

def one():
    """Return 1."""
    return 1

class Two:
    """Hold two."""

    def two(self):
        if os:
            return 2
'''


def test_docstrings_are_no_statements():
    assert statements(ast.parse(TEXT)) == 7


def test_a_function_is_as_long_as_its_lines():
    assert functions(ast.parse(TEXT)) == [3, 3]


def test_empty_files_do_not_count():
    modules = [Module("a", "a.py", TEXT, ast.parse(TEXT)), Module("b", "b.py", "", ast.parse(""))]
    assert measure(modules) == Sizes(7, 13, 3)


def test_each_limit_can_be_exceeded():
    assert Sizes(STATEMENTS, FILE_MEDIAN, 25).over() == []
    assert len(Sizes(STATEMENTS + 1, FILE_MEDIAN + 0.5, 26).over()) == 3
