"""Import circles are found across files, also through imports inside functions."""

import ast

from tests.lint.__main__ import check_circles
from tests.lint.circles import circles, graph
from tests.lint.product import Module


def edges(**texts):
    return graph(Module(f"joulebird.{n}", f"{n}.py", t, ast.parse(t)) for n, t in texts.items())


def test_a_lazy_circle_is_found():
    found = edges(
        a="from joulebird import b",
        b="def f():\n    from joulebird.c import g",
        c="import joulebird.a",
        d="import joulebird.a",
    )
    assert circles(found) == [["joulebird.a", "joulebird.b", "joulebird.c"]]


def test_a_diamond_is_no_circle():
    found = edges(
        a="from joulebird import b, c",
        b="from joulebird.d import x",
        c="import joulebird.d",
        d="import os",
    )
    assert circles(found) == []


def test_the_product_has_no_import_circle():
    assert check_circles() == []


def test_two_circles_are_distinguished():
    found = {"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}}
    assert circles(found) == [["c", "d"], ["a", "b"]]
