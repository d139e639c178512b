"""What a record must say about the machine and the software it was made with."""

import hashlib
import os
import platform
import sys
from typing import Any, Dict, Iterator, Optional, Tuple

import joulebird
from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.process import ROOT
from joulebird.harness.core.registry import resolve


def environment(root: str = "/") -> Dict[str, Any]:
    """Versions, machine, processor, kernel and code hash. Packages are named only where something has imported them already.

    `root` is where /proc and /etc are looked for.
    """
    found = {
        "joulebird": joulebird.__version__,
        "code": code_hash(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "host": platform.node(),
        "cores": os.cpu_count(),
        "processor": processor(root),
        "boot_id": boot_id(root),
        "packages": {
            name: sys.modules[name].__version__
            for name in ("torch", "torchvision", "numpy")
            if hasattr(sys.modules.get(name), "__version__")
        },
    }
    found.update(accelerator())
    found.update(board(root))
    return found


def board(root: str = "/") -> Dict[str, Any]:
    """What a Jetson says of itself: model, JetPack, power mode, clocks, whether they are locked, fan. Empty elsewhere.

    `root` is where /proc, /etc and /sys are looked for.
    """
    state = resolve("joulebird.devices.board.identify:identify")(root)
    if not state["jetson"]:
        return {}
    now = resolve("joulebird.devices.board.state:board_state")(
        root, resolve("joulebird.devices.util.command:run_command")
    )
    mode = now["power_mode"] or {}
    return {
        "board": state["model"],
        "jetpack": state["jetpack"],
        "l4t": state["l4t"],
        "power_mode": mode.get("name"),
        "clocks_locked": now["clocks_locked"],
        "clock_limits_hz": now["clock_limits_hz"],
        "fan": now["fan"],
    }


def accelerator() -> Dict[str, Any]:
    """The threads and the CUDA device of a torch that is imported already."""
    torch = sys.modules.get("torch")
    if not hasattr(torch, "get_num_threads"):
        return {}
    facts = {
        "threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
    }
    if torch.cuda.is_initialized():
        facts.update(cuda=torch.version.cuda, cuda_device=torch.cuda.get_device_name())
    return facts


def processor(root: str = "/") -> Optional[str]:
    """The processor's name as the kernel gives it, or the machine type."""
    try:
        with open(os.path.join(root, "proc/cpuinfo"), encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.lower().startswith(("model name", "hardware")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def first_line(path: str) -> Optional[str]:
    """The first line of a small file, or None when it cannot be read (most machines have not all of these files)."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip() or None
    except OSError:
        return None


def code_hash() -> str:
    """Twelve digits of the SHA-256 of the code that ran: of the zipapp, or of every source file of devices, baselines and harness."""
    here = ROOT
    total = hashlib.sha256()
    if os.path.isfile(here):
        with open(here, "rb") as file:
            total.update(file.read())
        return total.hexdigest()[:12]  # the digits in the file's own name
    for name, path in sorted(_sources(here)):
        with open(path, "rb") as file:
            total.update(name.encode("utf-8") + b"\0" + file.read())
    return total.hexdigest()[:12]


def _sources(here: str) -> Iterator[Tuple[str, str]]:
    for package in ("devices", "baselines", "harness"):
        for folder, _, names in os.walk(os.path.join(here, "joulebird", package)):
            for name in names:
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    yield os.path.relpath(path, here).replace(os.sep, "/"), path
