"""NVIDIA graphics cards through NVML: for studies on a workstation. A Jetson has no NVML.

    --source nvml        (pip install nvidia-ml-py; an option gpus=0,1 chooses the cards)

Volta and later count their energy in millijoules since the driver was loaded; the difference of
that counter is exact, whatever the pace. Older cards show a power only. Source: NVML API reference,
nvmlDeviceGetTotalEnergyConsumption and nvmlDeviceGetPowerUsage.
"""

import contextlib
import functools
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from joulebird.devices.counter import CounterMeter, wait_moved
from joulebird.devices.source import PowerSample, PowerSource
from joulebird.harness.core.errors import SourceError

SETTLE_S = 2.0  # a counter that does not move in this long stands still
EXCURSION = 2.0  # of the power limit, in short peaks (PCI-SIG CEM 5.0, Intel ATX 3.0)
UNLIMITED_W = 2000.0  # for a card that shows no limit: no card draws more
ACCURACY = {
    "gain": 0.05,
    "offset_mw": 5000.0,
    "reference": "NVML API reference, nvmlDeviceGetPowerUsage: +-5 % of the present draw; "
    "nvidia-smi manual, Power Readings: +-5 W",
}


class NvmlSource(PowerSource):
    """Power of each chosen card (rails GPU0, GPU1, ...); their sum is the total.

    `gpus`: indices or UUIDs, comma-separated; empty means all.
    """

    name = "nvml"
    sampling = "counter"
    scope = "gpu"
    min_period_s = 0.02

    def __init__(self, gpus: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = [part.strip() for part in gpus.split(",") if part.strip()]
        self._clock = clock
        self._nvml: Any = None
        self._cards: Dict[str, Any] = {}
        self._meter = CounterMeter()

    def open(self) -> None:
        """Load NVML, find the cards, and decide whether their energy is counted."""
        if self._nvml is not None:
            return
        self._nvml = load_nvml()
        try:
            self._cards = dict(self._chosen())
            self.rails = self.total = tuple(self._cards)
            self.sampling = "counter" if self._counts() else "snapshot"
            self.sensor = ", ".join(
                _text(self._nvml.nvmlDeviceGetUUID(card)) for card in self._cards.values()
            )
            self.range_w = {rail: self._range_w(card) for rail, card in self._cards.items()}
            step_mw = 1.0 / self.min_period_s if self.sampling == "counter" else 1.0  # of 1 mJ
            self.accuracy = dict(ACCURACY, quantum_mw=step_mw)
            wait_moved(
                self._take,
                self._clock,
                SETTLE_S,
                SourceError(
                    "the energy counter of the graphics card stands still",
                    "read the output of nvidia-smi for the card",
                ),
            )
        except self._nvml.NVMLError as error:
            self.close()
            raise SourceError(f"NVML refuses: {error}", "read the output of nvidia-smi") from error
        except SourceError:
            self.close()
            raise

    def _chosen(self) -> List[Tuple[str, Any]]:
        count = self._nvml.nvmlDeviceGetCount()
        cards = [(f"GPU{i}", self._nvml.nvmlDeviceGetHandleByIndex(i)) for i in range(count)]
        chosen = [
            (rail, card)
            for rail, card in cards
            if not self._wanted
            or rail[3:] in self._wanted
            or _text(self._nvml.nvmlDeviceGetUUID(card)) in self._wanted
        ]
        if len(chosen) < max(1, len(self._wanted)):
            raise SourceError(
                f"NVML shows {count} cards, and not all of: {', '.join(self._wanted) or 'any'}",
                "nvidia-smi -L lists them; choose with gpus=0,1 or by UUID",
            )
        return chosen

    def _counts(self) -> bool:
        try:
            for card in self._cards.values():
                self._nvml.nvmlDeviceGetTotalEnergyConsumption(card)
        except self._nvml.NVMLError_NotSupported:
            return False
        return True

    def _take(self) -> Optional[PowerSample]:
        ask, sample = (
            (self._nvml.nvmlDeviceGetTotalEnergyConsumption, self._meter.take)
            if self.sampling == "counter"
            else (self._nvml.nvmlDeviceGetPowerUsage, PowerSample)
        )
        values = {rail: ask(card) / 1000.0 for rail, card in self._cards.items()}
        return sample(self._clock(), values)

    def read(self) -> PowerSample:
        """Return the mean power since the reading before, or the present power of an older card.

        The same sample is returned until every counter has moved.
        """
        if self._nvml is None:
            raise SourceError("the source nvml is not open", "call open() first")
        try:
            sample = self._take()
        except self._nvml.NVMLError as error:
            raise SourceError(
                f"NVML cannot read: {error}", "read the output of nvidia-smi and dmesg for the card"
            ) from error
        if sample is None:
            raise SourceError("the energy counter has begun anew", "read again")
        return sample

    def close(self) -> None:
        """Let go of NVML."""
        if self._nvml is not None:
            with contextlib.suppress(self._nvml.NVMLError):  # it may be gone
                self._nvml.nvmlShutdown()
        self._nvml, self._cards, self._meter = None, {}, CounterMeter()

    def describe(self) -> Dict[str, Any]:
        """Return driver, and name, UUID and power limit of each card."""
        if self._nvml is None:
            return self.identity()
        return dict(
            self.identity(),
            driver=_text(self._nvml.nvmlSystemGetDriverVersion()),
            cards={
                rail: {
                    "name": _text(self._nvml.nvmlDeviceGetName(card)),
                    "uuid": _text(self._nvml.nvmlDeviceGetUUID(card)),
                    "limit_w": self._limit_w(card),
                }
                for rail, card in self._cards.items()
            },
        )

    def _range_w(self, card: Any) -> float:
        """Return the largest power of a card: its highest limit with short peaks above it."""
        try:
            highest_w = self._nvml.nvmlDeviceGetPowerManagementLimitConstraints(card)[1] / 1000.0
        except (self._nvml.NVMLError, AttributeError):  # not in every binding
            highest_w = self._limit_w(card) or 0.0
        return EXCURSION * highest_w or UNLIMITED_W

    def _limit_w(self, card: Any) -> Optional[float]:
        try:
            return float(self._nvml.nvmlDeviceGetEnforcedPowerLimit(card)) / 1000.0
        except self._nvml.NVMLError:
            return None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def load_nvml() -> Any:
    """Import and initialise NVML; raises SourceError with a remedy where it cannot be used."""
    try:
        import pynvml
    except ImportError:
        raise SourceError(
            "nvidia-ml-py is not installed for this Python", "pip install nvidia-ml-py"
        ) from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise SourceError(
            f"NVML cannot be used here: {error}",
            "it comes with NVIDIA's driver for PC cards; on a Jetson use the source ina3221",
        ) from None
    return pynvml


@functools.lru_cache(maxsize=None)
def _nvml_here() -> Any:
    with contextlib.suppress(SourceError):
        return load_nvml()


def gpu_users() -> Optional[List[Tuple[str, int, Optional[float]]]]:
    """Return (rail, pid, MiB or None) of each process that computes on a card.

    None where the driver does not show them. Source: NVML API reference,
    nvmlDeviceGetComputeRunningProcesses.
    """
    nvml = _nvml_here()
    with contextlib.suppress(nvml.NVMLError if nvml else AttributeError):
        return [
            (f"GPU{i}", user.pid, user.usedGpuMemory and user.usedGpuMemory / 2**20)
            for i in range(nvml.nvmlDeviceGetCount())
            for user in nvml.nvmlDeviceGetComputeRunningProcesses(
                nvml.nvmlDeviceGetHandleByIndex(i)
            )
        ]
    return None
