"""RAPL counters in a powercap tree."""

import os

import pytest

from joulebird.devices.rapl import RaplSource
from joulebird.harness.core.errors import SourceError
from tests.devices.refusal import refused_run


class Machine:
    """A powercap tree of a two-part package, a psys and a memory-mapped double, and a clock that
    adds energy as it is read.
    """

    def __init__(
        self,
        root,
        zones=(
            ("intel-rapl:0", "package-0", 30.0),
            ("intel-rapl:0:0", "core", 20.0),
            ("intel-rapl:0:1", "dram", 4.0),
            ("intel-rapl:1", "psys", 60.0),
            ("intel-rapl-mmio:0", "package-0", 30.0),
        ),
        start_uj=0,
    ):
        self.root, self.zones, self.t_s, self.start_uj = str(root), zones, 100.0, start_uj
        for folder, name, _ in zones:
            self.put(folder, "name", name)
            self.put(folder, "max_energy_range_uj", 262143328850)
        self.advance(0.0)

    def put(self, folder, name, value):
        path = os.path.join(self.root, "sys/class/powercap", folder)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, name), "w") as file:
            file.write(f"{value}\n")

    def advance(self, seconds):
        """Let time pass, at each zone's power."""
        self.t_s += seconds
        for folder, _, watts in self.zones:
            self.put(
                folder,
                "energy_uj",
                (self.start_uj + int(watts * (self.t_s - 100.0) * 1e6)) % 262143328850,
            )

    def clock(self):
        """CLOCK_MONOTONIC of the machine; every look at it takes 10 ms."""
        self.advance(0.01)
        return self.t_s


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_each_zone_is_a_rail_and_packages_with_memory_are_the_total(machine):
    with RaplSource(root=machine.root, clock=machine.clock) as source:
        assert source.rails == ("PKG0", "CORE0", "DRAM0", "PSYS")
        assert source.total == (
            "PKG0",
            "DRAM0",
        )
        source.read()
        machine.advance(5.0)
        watts = source.read().watts
    assert {rail: round(power, 1) for rail, power in watts.items()} == {
        "PKG0": 30.0,
        "CORE0": 20.0,
        "DRAM0": 4.0,
        "PSYS": 60.0,
    }


def test_the_dies_of_two_packages_are_four_rails_of_the_total(tmp_path):
    dies = [(package, die) for package in (0, 1) for die in (0, 1)]
    machine = Machine(
        tmp_path,
        [
            (f"intel-rapl:{index}", f"package-{package}-die-{die}", 10.0 + index)
            for index, (package, die) in enumerate(dies)
        ],
    )
    with RaplSource(root=machine.root, clock=machine.clock) as source:
        assert source.total == ("PKG0DIE0", "PKG0DIE1", "PKG1DIE0", "PKG1DIE1")
        source.read()
        machine.advance(5.0)
        assert sum(source.read().watts.values()) == pytest.approx(46.0, rel=0.001)


def test_a_wrap_between_two_readings_is_counted(tmp_path):
    machine = Machine(tmp_path, start_uj=262143328850 - 10000000)
    with RaplSource(root=machine.root, clock=machine.clock) as source:
        source.read()
        machine.advance(5.0)
        assert source.read().watts["PKG0"] == pytest.approx(30.0, rel=0.01)


def test_it_says_what_it_is(machine):
    with RaplSource(root=machine.root, clock=machine.clock) as source:
        said = source.describe()
    assert (said["sampling"], said["scope"], said["real"]) == ("counter", "package", True)
    assert said["zones"]["PKG0"]["wrap_j"] == pytest.approx(262143.32885)
    assert said["sensor"].startswith("RAPL PKG0, DRAM0 of ")
    assert said["accuracy"]["gain"] is said["accuracy"]["offset_mw"] is None
    assert "not stated" in said["accuracy"]["reference"]


def test_the_range_is_twice_the_highest_limit(machine):
    machine.put("intel-rapl:0", "constraint_0_max_power_uw", 125000000)
    machine.put("intel-rapl:0", "constraint_1_max_power_uw", 0)
    machine.put("intel-rapl:0", "constraint_1_power_limit_uw", 253000000)
    with RaplSource(root=machine.root, clock=machine.clock) as source:
        range_w = source.describe()["range_w"]
    assert (range_w["PKG0"], range_w["DRAM0"]) == (506.0, 1000.0)  # the other shows no limit


def test_a_machine_without_rapl(tmp_path):
    found = RaplSource.probe(root=str(tmp_path))
    assert not found.usable
    assert "no RAPL" in found.reason
    assert "modprobe" in found.hint


def test_counters_that_stand_still(tmp_path):
    still = Machine(tmp_path, zones=(("intel-rapl:0", "package-0", 0.0),))
    with pytest.raises(SourceError, match="stand still"):
        RaplSource(root=still.root, clock=still.clock).open()


def test_graphics_that_are_switched_off_stop_no_sample(tmp_path):
    zones = (("intel-rapl:0", "package-0", 30.0), ("intel-rapl:0:1", "uncore", 0.0))
    machine = Machine(tmp_path, zones)
    with RaplSource(root=machine.root, clock=machine.clock) as source:
        before = source.read()
        machine.advance(5.0)
        after = source.read()
    assert after.t_s > before.t_s + 5.0
    assert after.watts == {"PKG0": pytest.approx(30.0, rel=0.01), "UNCORE0": 0.0}


def test_counters_that_only_root_may_read(machine):
    ended = refused_run(
        f"from joulebird.devices.rapl import RaplSource\n"
        f"found = RaplSource.probe(root={machine.root!r})\n"
        "assert found.refused\n"
        "print(*found, sep=' | ')",
        [os.path.join(machine.root, "sys/class/powercap/intel-rapl:0/energy_uj")],
    )
    assert "only root may read" in ended
    assert "chmod a+r" in ended
