"""Finding what can measure here, and loading sources by name."""

import pytest

import joulebird.devices
from joulebird.devices import discover
from joulebird.devices import registry as lookup
from joulebird.devices.simulated.source import SimulatedSource
from joulebird.harness.core.errors import SourceError
from tests.devices.fake_tx2_tree import FakeTX2
from tests.devices.faulty import Rare, Script


def test_every_registered_source_is_listed_with_a_reason():
    found = discover.available()
    assert [name for name, _, _ in found] == discover.names()
    assert set(discover.names()) == set(joulebird.devices.SOURCES)
    for name, state, facts in found:
        assert state.reason, name
        assert (facts is not None) == state.usable
        if facts is not None:
            assert facts["name"] == name
            assert set(facts["present_w"]) <= set(facts["rails"])
        else:
            assert state.hint, name
    assert {name: state.usable for name, state, _ in found}["simulated"]


def test_the_best_is_a_real_sensor_or_the_simulated_board(monkeypatch):
    here = [
        name for name, state, _ in discover.available() if state.usable and lookup.load(name).real
    ]
    assert discover.best() == (here[0] if here else "simulated")
    monkeypatch.setattr(discover, "SOURCES", {"simulated": joulebird.devices.SOURCES["simulated"]})
    assert discover.best() == "simulated"
    assert discover.names() == ["simulated"]


def test_a_sensor_comes_before_the_simulated_board(monkeypatch):
    monkeypatch.setitem(joulebird.devices.SOURCES, "mine", "tests.devices.faulty:Script")
    monkeypatch.setattr(discover, "ORDER", ("mine",))
    assert discover.best() == "mine"
    assert discover.names()[0] == "mine"
    assert discover.names()[-1] == "simulated"


def test_a_survey_with_options(tmp_path):
    FakeTX2(tmp_path, state="train").build().close()
    state, facts = discover.survey("ina3221", root=str(tmp_path))
    assert state.usable
    assert facts["present_w"]["VDD_IN"] == pytest.approx(14.034, abs=0.001)
    state, facts = discover.survey("ina3221", root=str(tmp_path / "nothing"))
    assert not state.usable
    assert facts is None
    assert "no INA3221" in state.reason
    state, facts = discover.survey("no.such:Thing")
    assert not state.usable
    assert "cannot import" in state.reason


def test_the_rate_counts_new_readings_only():
    with Rare() as source:
        assert discover.rate(source, 1.1) == pytest.approx(5.0, abs=1.5)
    with SimulatedSource(profile=[[1.0, 5.0]]) as source:
        assert discover.rate(source, 0.3) > 50.0
    assert discover.rate(Script(["EIO"]), 0.05) == 0.0


def test_a_dotted_path_works_wherever_a_name_does():
    assert lookup.load("tests.devices.faulty:Script") is Script
    assert lookup.make("tests.devices.faulty:Script", {"script": ["ok"]}).read().watts == {"A": 1.0}


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
        lookup.load(name)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("options", "said"), [({"rots": "/"}, "no option 'rots'"), ({"clock": 1}, "no option 'clock'")]
)
def test_an_option_that_is_none_gets_a_remedy(options, said):
    with pytest.raises(SourceError, match=said) as caught:
        lookup.make("ina3221", options)
    assert "root" in caught.value.hint
