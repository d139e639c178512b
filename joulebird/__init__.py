"""Measure the energy of training on a Jetson TX2, around Early-Bird tickets.

The names in `PUBLIC` are the public interface. Each is imported at its first use, so that
`import joulebird` costs nothing.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:  # the same names for type checkers and editors
    from joulebird.devices.measure import Measured as Measured
    from joulebird.devices.measure import joules as joules
    from joulebird.devices.measure import measure_command as measure_command
    from joulebird.devices.measurement import Measurement as Measurement
    from joulebird.devices.recorder.parent import Recorder as Recorder
    from joulebird.devices.source import PowerSample as PowerSample
    from joulebird.devices.source import PowerSource as PowerSource
    from joulebird.harness.core.errors import HarnessError as HarnessError
    from joulebird.harness.core.errors import SourceError as SourceError
    from joulebird.reports.logs.energy import Energy as Energy
    from joulebird.reports.logs.trace import PowerTrace as PowerTrace

__version__ = "0.1.0"

# name -> module. The README promises these to Python users.
PUBLIC = {
    "joules": "joulebird.devices.measure",
    "measure_command": "joulebird.devices.measure",
    "Measured": "joulebird.devices.measure",
    "Measurement": "joulebird.devices.measurement",
    "Recorder": "joulebird.devices.recorder.parent",
    "PowerSource": "joulebird.devices.source",
    "PowerSample": "joulebird.devices.source",
    "HarnessError": "joulebird.harness.core.errors",
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
