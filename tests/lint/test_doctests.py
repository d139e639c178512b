"""The examples in the lint's own docstrings."""

import doctest

from tests.lint import sizes


def test_examples():
    assert doctest.testmod(sizes) == doctest.TestResults(failed=0, attempted=1)
