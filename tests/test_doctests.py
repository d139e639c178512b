"""Every doctest in the product code, on the Pythons that run it."""
import doctest
import importlib
import os
import sys

import pytest

from tests.test_layers import layer_of, sources

CURRENT = sys.version_info >= (3, 11)
OPTIONAL = {"devices/jetson_stats.py", "devices/nvml.py"}


def with_examples():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for path in sources():
        if not CURRENT and layer_of(path) in ("reports", "harness/host"):
            continue
        with open(os.path.join(root, path), encoding="utf-8") as source:
            if ">>> " in source.read():
                yield path


@pytest.mark.parametrize("path", list(with_examples()))
def test_examples(path):
    module = importlib.import_module(path[:-3].replace("/", "."))
    failed, tried = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert tried and not failed
