"""Finding what can measure here, and loading sources by name."""

import pytest

import joulebird.devices
from joulebird.devices import registry
from joulebird.harness.core.errors import SourceError
from tests.devices.faulty import Script


def test_every_registered_source_is_named_once():
    assert sorted(registry.names()) == sorted(joulebird.devices.SOURCES)


def test_without_a_sensor_nothing_is_taken_and_the_error_names_the_ways_out(monkeypatch):
    monkeypatch.setattr(registry, "SOURCES", {"simulated": joulebird.devices.SOURCES["simulated"]})
    with pytest.raises(SourceError, match="no power sensor") as caught:
        registry.best()
    assert caught.value.exit_code == 4
    assert "--source simulated" in caught.value.hint
    assert "--source none" in caught.value.hint
    assert registry.names() == ["simulated"]


def test_the_best_is_the_first_usable_sensor(monkeypatch):
    sources = {name: f"tests.devices.faulty:{name}" for name in ("Refusing", "Script", "Rare")}
    monkeypatch.setattr(registry, "SOURCES", dict(joulebird.devices.SOURCES, **sources))
    monkeypatch.setattr(registry, "ORDER", ("Refusing", "Script", "Rare"))
    assert registry.best() == "Script"
    assert registry.names()[0] == "Refusing"
    assert registry.names()[-1] == "simulated"


def test_a_sensor_that_is_closed_to_the_user_is_not_passed_over(monkeypatch):
    sources = {name: f"tests.devices.faulty:{name}" for name in ("Refusing", "Closed", "Script")}
    monkeypatch.setattr(registry, "SOURCES", sources)
    monkeypatch.setattr(registry, "ORDER", ("Refusing", "Closed", "Script"))
    with pytest.raises(SourceError, match="Closed: reading /dev/meter was refused") as caught:
        registry.best()
    assert (caught.value.hint, caught.value.exit_code) == ("sudo chmod a+r /dev/meter", 4)


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
