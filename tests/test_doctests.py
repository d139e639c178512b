"""Every doctest in the product code, on the Pythons that run it."""

import doctest
import importlib
import os
import sys

import pytest

from tests.test_layers import ROOT, layer_of, module_of, sources

CURRENT = sys.version_info >= (3, 11)


def with_examples():
    for path in sources():
        if not CURRENT and layer_of(path) in ("reports", "harness/host"):
            continue
        with open(os.path.join(ROOT, "joulebird", path), encoding="utf-8") as source:
            if ">>> " in source.read():
                yield path


@pytest.mark.parametrize("path", list(with_examples()))
def test_examples(path):
    module = importlib.import_module(module_of(path))
    failed, tried = doctest.testmod(
        module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert tried
    assert not failed
