"""What every registered power source must be, found in the registry: a newcomer is tested without a
line here.
"""

import builtins
import inspect
import json
import os
import socket
import subprocess
import sys
import time

import pytest

from joulebird.devices import SOURCES
from joulebird.devices.powerlog import PowerLog
from joulebird.devices.registry import load
from joulebird.devices.source import Found, PowerSample, PowerSource
from joulebird.harness.core.errors import SourceError
from tests.devices.fake_tx2_tree import FakeTX2

NAMES = sorted(SOURCES)
IDENTITY = {"name", "sampling", "scope", "rails", "total", "real", "sensor", "range_w", "accuracy"}


def log_of_a_board(folder):
    path = str(folder / "power.csv")
    log = PowerLog(
        path,
        {
            "name": "ina3221",
            "rails": ["VDD_IN"],
            "total": ["VDD_IN"],
            "sampling": "average",
            "scope": "module",
            "sensor": "0x41/0 VDD_IN 20 mohm",
            "range_w": 160.5,
            "accuracy": {"gain": 0.005, "offset_mw": 76, "quantum_mw": 38, "reference": "SBOS576"},
        },
    )
    log.row(1.0, {"VDD_IN": 2.0})
    log.close()
    return path


# Options with which a source can be used on any machine; one without a line here is tried with its
# defaults.
ANYWHERE = {
    "ina3221": lambda folder: {"root": FakeTX2(folder, state="train").build().root},
    "replay": lambda folder: {"path": log_of_a_board(folder)},
}


def options_for(name, folder):
    return ANYWHERE[name](folder) if name in ANYWHERE else {}


@pytest.mark.parametrize("name", NAMES)
def test_class(name):
    source = load(name)
    assert issubclass(source, PowerSource)
    assert source.name == name
    assert source.sampling in ("average", "snapshot", "counter", "simulated")
    assert isinstance(source.real, bool)
    assert isinstance(source.scope, str)
    assert source.min_period_s >= 0.0


@pytest.mark.parametrize("name", NAMES)
def test_docstrings(name):
    """The module says how to use it, the class what its options are, every public method what it
    gives.
    """
    source = load(name)
    module = sys.modules[source.__module__]
    assert (module.__doc__ or "").strip(), f"{module.__name__} has no docstring"
    assert source.__doc__
    assert source.__doc__ is not PowerSource.__doc__
    for key, value in inspect.getmembers(source):
        if not key.startswith("_") and callable(value):
            assert inspect.getdoc(value), f"{name}.{key} has no docstring"


@pytest.mark.parametrize("name", NAMES)
def test_options(name):
    """Every option has a default, which is a JSON value, and stands in the docstring."""
    source = load(name)
    for option, parameter in inspect.signature(source).parameters.items():
        if option == "clock":
            continue
        assert parameter.default is not inspect.Parameter.empty, f"{name}: {option} has no default"
        json.dumps(parameter.default)
        assert f"`{option}`" in source.__doc__, f"{name}: the docstring does not name `{option}`"


@pytest.mark.parametrize("name", NAMES)
def test_the_constructor_touches_nothing(name, monkeypatch):
    source = load(name)

    def touched(*args, **options):
        raise AssertionError(f"the constructor of {name} touches the world: {args!r}")

    with monkeypatch.context() as patch:
        for where, what in (
            (builtins, "open"),
            (os, "open"),
            (os, "listdir"),
            (os, "stat"),
            (socket, "socket"),
            (subprocess, "Popen"),
        ):
            patch.setattr(where, what, touched)
        instance = source()
    instance.close()  # harmless before open, and twice
    instance.close()


@pytest.mark.parametrize("name", NAMES)
def test_loading_imports_no_library(name):
    """A library that one source needs is imported when that source is opened."""
    code = (
        f"import sys\nfrom joulebird.devices.registry import load\nload({name!r})\n"
        "print([m for m in ('jtop', 'serial', 'pynvml', 'numpy', 'torch') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b"[]"


@pytest.mark.parametrize("name", NAMES)
def test_probe_says_why(name, tmp_path):
    """Usable or not, with a reason; and what to do when it is not."""
    for options in ({}, options_for(name, tmp_path)):
        found = load(name).probe(**options)
        assert isinstance(found, Found)
        assert found.reason
        assert found.usable or found.hint, (
            f"{name} is not usable here ({found.reason}) and does not say what to do"
        )


@pytest.mark.parametrize("name", NAMES)
def test_what_is_usable_reads_and_describes_itself(name, tmp_path):
    source = load(name)(**options_for(name, tmp_path))
    try:
        source.open()
    except SourceError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:  # no such hardware here: its message is what can be checked
        assert name not in (*ANYWHERE, "simulated"), f"{name}: {refusal.message}"
        assert refusal.message
        assert refusal.hint
        return
    try:
        facts = source.describe()
        assert set(facts) >= IDENTITY
        assert json.loads(json.dumps(facts)) is not None
        assert facts["name"] == name
        assert set(facts["total"]) <= set(facts["rails"])
        assert facts["rails"] == list(source.rails)
        assert facts["sampling"] in ("average", "snapshot", "counter", "simulated")
        assert facts["real"] is source.real
        ranges, stated = facts["range_w"], facts["accuracy"]
        assert facts["sensor"]
        assert set(ranges) == set(facts["rails"]) if isinstance(ranges, dict) else ranges > 0
        assert set(stated) == {"gain", "offset_mw", "quantum_mw", "reference"}
        assert stated["reference"]
        first, second = source.read(), source.read()
        for sample in (first, second):
            assert isinstance(sample, PowerSample)
            assert set(sample.watts) <= set(source.rails)
            assert all(isinstance(watts, float) for watts in sample.watts.values())
            assert abs(sample.t_s - time.monotonic()) < 10.0
        assert second.t_s >= first.t_s
    finally:
        source.close()
        source.close()


def test_the_ones_that_are_no_sensor_say_so(tmp_path):
    for name in ("simulated", "replay"):
        with load(name)(**options_for(name, tmp_path)) as source:
            assert source.describe()["real"] is False
