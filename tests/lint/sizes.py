"""Statements of the product, and how long its files and functions are."""

import ast
from collections.abc import Iterable, Sequence
from statistics import median, quantiles
from typing import NamedTuple

from tests.lint.product import Module, docstrings

# Both may only fall; after the rooms were built there were 13,912 statements.
STATEMENTS = 17_699  # over all rooms
FILE_MEDIAN = 120  # lines, of the files that hold anything
FUNCTION_P90 = 25  # lines from `def` to the last one


class Sizes(NamedTuple):
    """The counts of a set of modules."""

    statements: int
    file_median: float
    function_p90: float

    def over(self) -> list[str]:
        """Return a line for each limit that is exceeded."""
        limits = (
            ("statements", self.statements, STATEMENTS),
            ("lines in the median file", self.file_median, FILE_MEDIAN),
            ("lines in the function at the 90th percentile", self.function_p90, FUNCTION_P90),
        )
        return [f"{value:g} {name}: at most {most}" for name, value, most in limits if value > most]


def statements(tree: ast.Module) -> int:
    """Return the number of statements of a syntax tree, docstrings left out.

    >>> statements(ast.parse('def f():\\n    "Return 1."\\n    return 1'))
    2
    """
    every = sum(isinstance(node, ast.stmt) for node in ast.walk(tree))
    return every - len(list(docstrings(tree)))


def functions(tree: ast.Module) -> list[int]:
    """Return the lengths of all functions and methods in lines."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in found]


def measure(modules: Iterable[Module]) -> Sizes:
    """Return the sizes of a set of modules."""
    filled = [module for module in modules if module.text.strip()]
    lengths = [length for module in filled for length in functions(module.tree)]
    return Sizes(
        sum(statements(module.tree) for module in filled),
        median(module.text.count("\n") for module in filled),
        percentile_90(lengths),
    )


def percentile_90(values: Sequence[int]) -> float:
    """Return the 90th percentile of one or more values."""
    return quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else sum(values)
