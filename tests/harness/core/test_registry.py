"""The user's own modules, named by dotted path: every fault of theirs is one error."""

import sys

import pytest

from joulebird.harness.core.errors import SpecError
from joulebird.harness.core.registry import find

BROKEN = {
    "raises": ("raise RuntimeError('boom')\n", "RuntimeError: boom"),
    "syntax": ("def thing(:\n", "SyntaxError"),
    "ends": ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
    "wants": ("from os import nosuch\n", "cannot import name 'nosuch'"),
    "misses": ("import nosuchpackage\n", "needs the package 'nosuchpackage'"),
    "lacks": ("other = 1\n", "lacks_own has no 'thing'"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the broken modules; nothing of it stays on the path."""
    for name, (text, _) in BROKEN.items():
        (tmp_path / f"{name}_own.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in BROKEN:
        sys.modules.pop(f"{name}_own", None)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_module_is_named_with_its_fault(folder, name):
    with pytest.raises(SpecError) as caught:
        find({}, "model", f"{name}_own:thing", SpecError)
    assert BROKEN[name][1] in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("path", [".own:thing", "..own:thing", "own.:thing", "a..b:thing"])
def test_a_name_that_is_not_absolute_is_refused(folder, path):
    with pytest.raises(SpecError, match="model"):
        find({}, "model", path, SpecError)
