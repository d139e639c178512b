"""Finding what can measure here, and loading sources by name."""

import pytest

import joulebird.devices
from joulebird.devices import registry
from joulebird.harness.core.errors import SourceError
from tests.devices.faulty import Script


def test_every_registered_source_is_named_once():
    assert sorted(registry.names()) == sorted(joulebird.devices.SOURCES)


def test_the_best_is_a_real_sensor_or_the_simulated_board(monkeypatch):
    here = [name for name in registry.usable_here() if registry.load(name).real]
    assert registry.best() == (here[0] if here else "simulated")
    monkeypatch.setattr(registry, "SOURCES", {"simulated": joulebird.devices.SOURCES["simulated"]})
    assert registry.best() == "simulated"
    assert registry.names() == ["simulated"]


def test_a_sensor_comes_before_the_simulated_board(monkeypatch):
    monkeypatch.setitem(joulebird.devices.SOURCES, "mine", "tests.devices.faulty:Script")
    monkeypatch.setattr(registry, "ORDER", ("mine",))
    assert registry.best() == "mine"
    assert registry.names()[0] == "mine"
    assert registry.names()[-1] == "simulated"


def test_a_dotted_path_works_wherever_a_name_does():
    assert registry.load("tests.devices.faulty:Script") is Script
    assert registry.make("tests.devices.faulty:Script", {"script": ["ok"]}).read().watts == {
        "A": 1.0
    }


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ina32221", "did you mean 'ina3221'"),
        ("zzz", "known: "),
        ("tests.devices.faulty:Nobody", "known: "),
        ("joulebird.devices.source:SourceError", "derive it from"),
        ("joulebird.devices.source:PowerSample", "derive it from"),
    ],
)
def test_a_name_that_is_none_gets_a_remedy(name, hint):
    with pytest.raises(SourceError) as caught:
        registry.load(name)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("options", "said"), [({"rots": "/"}, "no option 'rots'"), ({"clock": 1}, "no option 'clock'")]
)
def test_an_option_that_is_none_gets_a_remedy(options, said):
    with pytest.raises(SourceError, match=said) as caught:
        registry.make("ina3221", options)
    assert "root" in caught.value.hint
