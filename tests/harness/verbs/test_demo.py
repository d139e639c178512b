"""The source that the demo takes where none is named."""

import sys

import pytest

if sys.version_info < (3, 11):
    pytest.skip("the demo is the desk's", allow_module_level=True)

from joulebird.devices import registry
from joulebird.devices.source import Found
from joulebird.harness.cli.progress import Progress
from joulebird.harness.verbs.demo import sensor_or_simulated


def test_a_sensor_is_taken(monkeypatch):
    monkeypatch.setattr(registry, "findings", lambda: iter([("rapl", Found(True, "2 rails"))]))
    assert sensor_or_simulated(Progress()) == "rapl"


@pytest.mark.parametrize("found", [[], [("rapl", Found(False, "closed", "sudo chmod", True))]])
def test_without_a_readable_sensor_it_is_simulated_and_says_why(monkeypatch, capsys, found):
    monkeypatch.setattr(registry, "findings", lambda: iter(found))
    assert sensor_or_simulated(Progress()) == "simulated"
    said = capsys.readouterr().err
    assert "a board is simulated" in said
    assert ("rapl: closed" in said and "sudo chmod" in said) == bool(found)
