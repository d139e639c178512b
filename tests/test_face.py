"""The face of the package: `import joulebird` costs nothing and gives what the README promises."""

import ast
import os
import re
import subprocess
import sys

import pytest

import joulebird
from tests.conftest import ROOT

ON_A_BOARD = ("joules", "measure_command", "Recorder", "PowerSource", "PowerSample", "SourceError")
CURRENT = sys.version_info >= (3, 11)


def output_of(program):
    """Return the output of a Python program that runs in a process of its own."""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


@pytest.mark.parametrize("name", sorted(joulebird.PUBLIC))
def test_every_public_name_can_be_imported(name):
    if not CURRENT and name not in ON_A_BOARD and ".reports." in joulebird.PUBLIC[name]:
        pytest.skip("reports run at the desk")
    assert getattr(joulebird, name).__name__ == name
    assert name in dir(joulebird)
    assert name in vars(joulebird)  # found without __getattr__ the next time


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'jouls'"):
        _ = joulebird.jouls


def test_import_brings_one_module():
    program = (
        "import sys; before = set(sys.modules); import joulebird\n"
        "new = set(sys.modules) - before\n"
        "print(sorted(name for name in new if name.startswith('joulebird')))"
    )
    assert output_of(program).strip() == "['joulebird']"


def test_import_needs_nothing_but_the_standard_library():
    program = (
        "import sys, joulebird; heavy = {'torch', 'numpy', 'matplotlib', 'serial', 'argparse'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert output_of(program).strip() == "[]"


def test_the_documents_import_public_names_only():
    text = ""
    for name in ("README.md", "CONTRIBUTING.md"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            text += file.read()
    lines = re.findall(r"^from joulebird import (.+)$", text, re.MULTILINE)
    assert lines
    names = {name.strip() for line in lines for name in line.split(",")}
    assert names <= set(joulebird.PUBLIC)


def test_type_checkers_see_the_same_names():
    with open(os.path.join(ROOT, "joulebird", "__init__.py"), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {line.names[0].asname: line.module for line in block.body}
    assert seen == joulebird.PUBLIC


@pytest.mark.skipif(not CURRENT, reason="mypy runs at the desk")
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
