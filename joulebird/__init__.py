"""Measure the energy of training on a Jetson TX2, around Early-Bird tickets.

The names below are the public interface. Each is imported at its first use, so that
`import joulebird` costs nothing.
"""

import importlib
import sys
from types import ModuleType
from typing import Any, List

__version__ = "0.1.0"

# name -> module. The README promises these to Python users.
PUBLIC = {
    "joules": "joulebird.devices.measure",
    "measure_command": "joulebird.devices.measure",
    "Measurement": "joulebird.devices.measurement",
    "Recorder": "joulebird.devices.recorder.parent",
    "PowerSource": "joulebird.devices.source",
    "PowerSample": "joulebird.devices.source",
    "SourceError": "joulebird.harness.core.errors",
    "PowerTrace": "joulebird.reports.logs.trace",
    "Energy": "joulebird.reports.logs.energy",
}


class _Face(ModuleType):
    """A module that imports its public names on demand.

    Python 3.6 knows no module-level `__getattr__`.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in PUBLIC:
            raise AttributeError(f"module 'joulebird' has no attribute {name!r}")
        value = getattr(importlib.import_module(PUBLIC[name]), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> List[str]:
        return sorted(set(super().__dir__()) | set(PUBLIC))


sys.modules[__name__].__class__ = _Face
