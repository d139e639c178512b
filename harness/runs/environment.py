"""Describe the machine and the software of a record."""

import hashlib
import os
import platform
import sys
from typing import Any, Dict, Iterator, Optional, Tuple

import joulebird
from joulebird.devices.board.identify import identify, serial
from joulebird.devices.board.state import board_state
from joulebird.devices.health.read import Health
from joulebird.devices.util.command import run_command
from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.files import file_hash
from joulebird.harness.core.process import ROOT


def environment(root: str = "/") -> Dict[str, Any]:
    """Return versions, machine, processor, kernel and code hash.

    Only packages that are imported already are named. `root` is where /proc and /etc are.
    """
    facts: Dict[str, Any] = {
        "joulebird": joulebird.__version__,
        "code": code_hash(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "host": platform.node(),
        "cores": os.cpu_count(),
        "processor": processor(root),
        "boot_id": boot_id(root),
        "board_serial": serial(root),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE"),
        "packages": packages(),
    }
    return dict(facts, **accelerator(), **board(root))


def board(root: str = "/") -> Dict[str, Any]:
    """Return a Jetson's model, JetPack, power mode, clocks and fan; {} for another machine.

    `root` is where /proc, /etc and /sys are.
    """
    state = identify(root)
    if not state["jetson"]:
        return {}
    now = board_state(root, run_command)
    return {
        "board": state["model"],
        "jetpack": state["jetpack"],
        "l4t": state["l4t"],
        "power_mode": (now["power_mode"] or {}).get("name"),
        "clocks_locked": now["clocks_locked"],
        "clock_limits_hz": now["clock_limits_hz"],
        "fan": now["fan"],
    }


def accelerator() -> Dict[str, Any]:
    """Return the threads and the CUDA device of a torch that is imported already."""
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "get_num_threads"):
        return {}
    facts = {"threads": torch.get_num_threads()}
    if torch.cuda.is_initialized():
        facts.update(cuda=torch.version.cuda, cuda_device=torch.cuda.get_device_name())
    return facts


def pulse(health: Health) -> Dict[str, Any]:
    """Return the facts that may change while a process lives, from a few files and without a fork.

    The environment is the same as long as they are.
    """
    return dict(
        accelerator(),
        packages=packages(),
        clocks=health.clock_limits(),
        mode=health.power_mode(),
    )


def packages() -> Dict[str, str]:
    """Return the versions of the packages that are imported already."""
    return {
        name: sys.modules[name].__version__
        for name in ("torch", "torchvision", "numpy")
        if hasattr(sys.modules.get(name), "__version__")
    }


def set_threads(count: int) -> None:
    """Set the threads of a torch that is imported already."""
    torch: Any = sys.modules.get("torch")
    if hasattr(torch, "set_num_threads"):
        torch.set_num_threads(count)


def processor(root: str = "/") -> Optional[str]:
    """Return the processor's name as the kernel gives it, or the machine type."""
    try:
        with open(os.path.join(root, "proc/cpuinfo"), encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.lower().startswith(("model name", "hardware")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def code_hash() -> str:
    """Return twelve digits of the SHA-256 of the code that ran.

    It covers the zipapp, or every source file of devices, baselines and harness.
    """
    if os.path.isfile(ROOT):
        return file_hash(ROOT)[:12]  # the digits in the file's own name
    total = hashlib.sha256()
    for name, path in sorted(_sources()):
        with open(path, "rb") as file:
            total.update(name.encode("utf-8") + b"\0" + file.read())
    return total.hexdigest()[:12]


def _sources() -> Iterator[Tuple[str, str]]:
    for package in ("devices", "baselines", "harness"):
        for folder, _, names in os.walk(os.path.join(ROOT, "joulebird", package)):
            for path in [os.path.join(folder, name) for name in names if name.endswith(".py")]:
                yield os.path.relpath(path, ROOT).replace(os.sep, "/"), path
