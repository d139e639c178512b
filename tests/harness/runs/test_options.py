"""Options are read from a method's text: types, defaults, and every way to get them wrong."""

import subprocess
import sys

import pytest

from joulebird import baselines
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.runs.options import Option, read_method, resolve_options

METHODS = '''
"""Methods to read."""
from typing import List, Optional, Sequence

EPSILON = 0.25


def plain(task, run, *, epsilon: float = EPSILON, window: int = 5, criterion: str = "paper",
          rewind: bool = False, draw_at: Optional[int] = None, layers: Sequence[int] = (1, 2),
          quoted: "Optional[float]" = None, bare=3):
    """The first line.

    More.
    """


def needs(task, run, *, epsilon: float):
    """One option without a default."""


def odd(task, run, *, what: dict = None):
    """An option that no file can hold."""


def computed(task, run, *, what: int = len("abc")):
    """A default that is no plain value."""


elsewhere = plain
not_a_function = 3
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_methods.py").write_text(METHODS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_methods"
    sys.modules.pop("my_methods", None)


def test_types_and_defaults_come_from_the_text(module):
    method = read_method(module + ":plain")
    assert method.summary == "The first line."
    assert method.options["epsilon"] == Option("epsilon", float, False, False, 0.25)
    assert method.options["draw_at"] == Option("draw_at", int, True, False, None)
    assert method.options["layers"] == Option("layers", int, False, True, [1, 2])
    assert method.options["quoted"].optional
    assert method.options["quoted"].kind is float
    assert method.options["bare"].kind is int
    assert method.options["rewind"].kind is bool
    assert module not in sys.modules  # nothing of it was run


def test_a_name_bound_to_another_function_is_followed(module):
    assert read_method(module + ":elsewhere").options["window"].default == 5


def test_given_values_are_put_in_and_checked(module):
    values = resolve_options(module + ":plain", {"epsilon": 1, "layers": [3], "draw_at": 4}, "here")
    assert values["epsilon"] == 1.0
    assert isinstance(values["epsilon"], float)
    assert values["layers"] == [3]
    assert values["draw_at"] == 4
    assert values["criterion"] == "paper"


@pytest.mark.parametrize(
    ("name", "given", "part"),
    [
        ("plain", {"epsilom": 1}, "did you mean 'epsilon'"),
        (
            "plain",
            {"window": 2.5},
            "field 'window' has the wrong type (expected an integer, got 2.5)",
        ),
        ("plain", {"window": True}, "(expected an integer, got True)"),
        ("plain", {"epsilon": float("nan")}, "(expected a number, got nan)"),
        ("plain", {"rewind": 1}, "(expected true or false, got 1)"),
        ("plain", {"layers": 3}, "(expected a list of integers, got 3)"),
        ("plain", {"layers": [1, "2"]}, "(expected a list of integers, got [1, '2'])"),
        ("plain", {"criterion": None}, "(expected a string, got null)"),
        ("needs", {}, "lacks the field 'epsilon'"),
        ("odd", {}, "not plain"),
        ("computed", {}, "not a plain value"),
        ("not_a_function", {}, "is not a function"),
        ("absent", {}, "has no 'absent'"),
    ],
)
def test_mistakes(module, name, given, part):
    with pytest.raises(HarnessError) as refused:
        resolve_options(f"{module}:{name}", given, "here")
    assert part in refused.value.message + " " + refused.value.hint


def test_none_is_a_value_only_where_it_may_be():
    assert Option("n", int, True, False, None).typed(None) is None


@pytest.mark.parametrize("path", baselines.METHODS.values())
def test_every_registered_method_can_be_read(path):
    method = read_method(path)
    assert method.summary.endswith(".")


def test_what_is_read_from_the_text_is_what_python_sees():
    """The conformance of the reader: for every registered method the text says the same as
    inspect does.
    """
    pytest.importorskip("torch")
    script = (
        "import inspect\nfrom joulebird.harness.runs.options import read_method\nfrom "
        "joulebird.baselines import METHODS\nfrom joulebird.harness.core.registry import resolve\n"
        "for path in METHODS.values():\n"
        "    found = {k: (list(p.default) if isinstance(p.default, tuple) else p.default)\n"
        "             for k, p in inspect.signature(resolve(path)).parameters.items() if "
        "p.kind == p.KEYWORD_ONLY}\n"
        "    assert found == {k: o.default for k, o in read_method(path).options.items()}, "
        "path\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
