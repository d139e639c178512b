"""NVML cards: the binding's answers replayed, the real binding without a driver, and a real card
where there is one.
"""

import sys
import types

import pytest

from joulebird.devices.nvml import NvmlSource
from joulebird.harness.core.errors import SourceError


class Cards:
    """What the module pynvml answers for two cards whose power is given in watts."""

    def __init__(self, watts=(200.0, 50.0), counts=True):
        self.watts, self.counts, self.t_s, self.loaded_s, self.lost, self.shut = (
            list(watts),
            counts,
            10.0,
            0.0,
            False,
            False,
        )

    def clock(self):
        """Every look at the clock takes 10 ms."""
        self.t_s += 0.01
        return self.t_s

    def module(self):
        """The module to import."""
        made = types.ModuleType("pynvml")
        made.NVMLError = type("NVMLError", (Exception,), {})
        made.NVMLError_NotSupported = type("NVMLError_NotSupported", (made.NVMLError,), {})

        def energy_mj(card):
            if self.lost:
                raise made.NVMLError("GPU is lost")
            if not self.counts:
                raise made.NVMLError_NotSupported("Not Supported")
            return int(1000 * self.watts[card] * (self.t_s - self.loaded_s))

        def shutdown():
            self.shut = True

        made.nvmlInit = lambda: None
        made.nvmlShutdown = shutdown
        made.nvmlDeviceGetCount = lambda: len(self.watts)
        made.nvmlDeviceGetHandleByIndex = lambda index: index
        made.nvmlDeviceGetUUID = lambda card: (
            b"GPU-uuid-%d" % card
        )  # older bindings answer in bytes
        made.nvmlDeviceGetName = lambda card: "Some card"
        made.nvmlSystemGetDriverVersion = lambda: b"550.1"
        made.nvmlDeviceGetEnforcedPowerLimit = lambda card: 300000
        made.nvmlDeviceGetTotalEnergyConsumption = energy_mj
        made.nvmlDeviceGetPowerUsage = lambda card: int(1000 * self.watts[card])
        return made


@pytest.fixture
def cards(monkeypatch):
    made = Cards()
    monkeypatch.setitem(sys.modules, "pynvml", made.module())
    return made


def test_the_counter_gives_the_mean_since_the_reading_before(cards):
    with NvmlSource(clock=cards.clock) as source:
        assert source.sampling == "counter"
        assert source.total == ("GPU0", "GPU1")
        source.read()
        cards.t_s += 7.0
        watts = source.read().watts
    assert watts["GPU0"] == pytest.approx(200.0, rel=0.01)
    assert watts["GPU1"] == pytest.approx(50.0, rel=0.01)
    assert cards.shut


def test_an_older_card_shows_its_power(monkeypatch):
    cards = Cards(counts=False)
    monkeypatch.setitem(sys.modules, "pynvml", cards.module())
    with NvmlSource(clock=cards.clock) as source:
        assert source.sampling == "snapshot"
        assert source.read().watts == {
            "GPU0": 200.0,
            "GPU1": 50.0,
        }


@pytest.mark.parametrize(
    ("wanted", "rails"), [("1", ("GPU1",)), ("GPU-uuid-0", ("GPU0",)), ("1, 0", ("GPU0", "GPU1"))]
)
def test_cards_are_chosen_by_number_or_uuid(cards, wanted, rails):
    with NvmlSource(gpus=wanted, clock=cards.clock) as source:
        assert source.rails == rails


def test_a_card_that_is_not_there(cards):
    with pytest.raises(SourceError, match="not all of: 7") as caught:
        NvmlSource(gpus="7", clock=cards.clock).open()
    assert "nvidia-smi -L" in caught.value.hint


def test_what_the_record_holds(cards):
    with NvmlSource(clock=cards.clock) as source:
        said = source.describe()
    assert said["driver"] == "550.1"
    assert said["cards"]["GPU1"] == {"name": "Some card", "uuid": "GPU-uuid-1", "limit_w": 300.0}
    assert said["sensor"] == "GPU-uuid-0, GPU-uuid-1"
    assert said["accuracy"]["gain"] == 0.05
    assert said["accuracy"]["offset_mw"] == 5000.0
    assert "nvmlDeviceGetPowerUsage" in said["accuracy"]["reference"]


def test_the_range_is_twice_the_highest_limit(cards, monkeypatch):
    with NvmlSource(clock=cards.clock) as source:
        assert source.describe()["range_w"] == {"GPU0": 600.0, "GPU1": 600.0}  # the present limit
    nvml = sys.modules["pynvml"]
    nvml.nvmlDeviceGetPowerManagementLimitConstraints = lambda card: [100000, 350000]
    with NvmlSource(gpus="1", clock=cards.clock) as source:
        assert source.describe()["range_w"] == {"GPU1": 700.0}


def test_a_lost_card_and_a_reloaded_driver_are_errors_not_numbers(cards):
    with NvmlSource(clock=cards.clock) as source:
        source.read()
        cards.lost = True
        with pytest.raises(SourceError, match="GPU is lost"):
            source.read()
        cards.lost, cards.loaded_s = False, cards.t_s
        with pytest.raises(SourceError, match="went back"):
            source.read()


def test_a_counter_that_stands_still(monkeypatch):
    cards = Cards(watts=(0.0,))
    monkeypatch.setitem(sys.modules, "pynvml", cards.module())
    with pytest.raises(SourceError, match="stands still"):
        NvmlSource(clock=cards.clock).open()


def test_a_machine_without_the_binding(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = NvmlSource.probe()
    assert not found.usable
    assert "pip install nvidia-ml-py" in found.hint


def test_the_real_binding_on_this_machine():
    """With a driver it reads watts; without, it says why and what to use on a Jetson.

    (Python 3.6 has no binding installed.)
    """
    found = NvmlSource.probe()
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        assert not found.usable
        assert found.hint
        return
    assert found.usable
    with NvmlSource() as source:
        assert all(1.0 < watts < 2000.0 for watts in source.read().watts.values())
