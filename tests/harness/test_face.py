"""`import joulebird`: its public names, imported on demand, and the same for type checkers."""

import ast
import os
import subprocess
import sys

import pytest

import joulebird
from tests.conftest import ROOT

DESK = sys.version_info >= (3, 11)


@pytest.mark.parametrize("name", sorted(joulebird.PUBLIC))
def test_every_public_name_is_there(name):
    if joulebird.PUBLIC[name].startswith("joulebird.reports") and not DESK:
        pytest.skip("reports are the desk's")
    assert getattr(joulebird, name).__name__ == name
    assert name in dir(joulebird)
    assert name in vars(joulebird)  # found without __getattr__ the next time


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'joulebird' has no attribute 'nothing'"):
        _ = joulebird.nothing


def test_type_checkers_see_the_same_names():
    with open(os.path.join(ROOT, "joulebird", "__init__.py"), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    assert joulebird.PUBLIC == {line.names[0].asname: line.module for line in block.body}


def test_nothing_is_imported_before_it_is_used():
    script = "import sys, joulebird; sys.exit(any(n.startswith('joulebird.') for n in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


@pytest.mark.skipif(not DESK, reason="mypy runs at the desk")
def test_mypy_knows_the_type_of_a_public_name(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "mine.py").write_text("from joulebird import PowerTrace\n\nPowerTrace.lode('x')\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", "mine.py"],
        cwd=tmp_path,
        env=dict(os.environ, MYPYPATH=ROOT),
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    assert '"type[PowerTrace]" has no attribute "lode"' in done.stdout
