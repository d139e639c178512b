"""Checks of what runs on the board: Python, numpy, torch, memory, disk, clock, and what else is going on."""

import json
import os
import shutil
import time
from typing import Any, Dict

from joulebird.devices.util.command import Ran, user_name
from joulebird.harness.doctor.check import BAD, OK, SKIP, WARN, Check, Context, Finding, jetson_only

TORCH = """
import json, torch
facts = {"version": torch.__version__, "cuda": torch.version.cuda, "available": torch.cuda.is_available(), "file": torch.__file__}
if facts["available"]:
    facts["device"] = torch.cuda.get_device_name(0)
print(json.dumps(facts))
"""
NVIDIA_TORCH = (
    "pip3 uninstall torch torchvision, then install NVIDIA's wheel torch-1.10.0-cp36-cp36m-linux_aarch64.whl "
    "(forums.developer.nvidia.com/t/72048); PyPI's has no CUDA for a Jetson"
)
GIB = 1 << 30
LEAST_MEMORY, LEAST_DISK = 2.5 * GIB, 2.0 * GIB  # CIFAR networks at batch 128 take 2 to 3 GB
EARLIEST_S = 1704067200.0  # 2024-01-01; a TX2 has no battery for its clock
DESKTOP = ["Xorg", "gnome-shell", "compiz", "lightdm", "gdm3", "unity-panel-ser"]
CHORES = ["apt", "apt-get", "dpkg", "unattended-upgr", "packagekitd", "update-manager", "snapd"]


def ask(context: Context, code: str) -> Ran:
    """Run code in the Python that trains, where no file of the current folder shadows a module."""
    code = "import sys; sys.path[:] = [path for path in sys.path if path]\n" + code
    return context.run([context.python, "-c", code], "")


def python(context: Context) -> Finding:
    """The Python that trains."""
    ran = ask(context, "print('%d.%d.%d' % sys.version_info[:3])")
    if ran.code != 0:
        return Finding(
            BAD, f"{context.python} does not run: {ran.words}", "sudo apt install python3"
        )
    version = ran.out.strip()
    if tuple(int(part) for part in version.split(".")) < (3, 6):
        return Finding(BAD, version, "Python 3.6 or newer is needed")
    if context.board["tx2"] and not version.startswith("3.6."):
        return Finding(
            WARN,
            version + " on a TX2",
            "NVIDIA's torch for JetPack 4 is made for python3 of Ubuntu 18.04 (3.6)",
        )
    return Finding(OK, version)


def numpy(context: Context) -> Finding:
    """Whether numpy can be imported: 1.19.5 crashes on a Jetson unless told the processor."""
    ran = ask(context, "import numpy; print(numpy.__version__)")
    if ran.code == 0:
        return Finding(OK, ran.out.strip())
    if ran.code in (-4, 132):
        return Finding(
            BAD,
            "importing it is an illegal instruction",
            "export OPENBLAS_CORETYPE=ARMV8 in the environment of every command",
        )
    return Finding(
        BAD if context.jetson else WARN,
        f"cannot be imported: {ran.words}",
        "pip3 install 'numpy==1.19.5' on JetPack 4",
    )


@jetson_only
def openblas(context: Context) -> Finding:
    """The variable that keeps numpy from crashing; a shell over ssh reads no profile."""
    if context.machine != "aarch64":
        return Finding(SKIP, "only for ARM processors")
    if context.environ.get("OPENBLAS_CORETYPE"):
        return Finding(OK, "OPENBLAS_CORETYPE=" + context.environ["OPENBLAS_CORETYPE"])
    return Finding(
        WARN,
        "OPENBLAS_CORETYPE is not set: numpy 1.19.5 would crash",
        "export OPENBLAS_CORETYPE=ARMV8 (joulebird run --board passes it itself)",
    )


def torch(context: Context) -> Finding:
    """Whether torch is here, and on a Jetson the one with CUDA."""
    ran = ask(context, TORCH)
    if ran.code != 0:
        remedy = (
            NVIDIA_TORCH
            if context.jetson
            else "pip install torch torchvision, if you want to train here"
        )
        return Finding(BAD if context.jetson else WARN, f"cannot be imported: {ran.words}", remedy)
    return judge_torch(json.loads(ran.out.strip().splitlines()[-1]), context.jetson)


def judge_torch(facts: Dict[str, Any], jetson: bool) -> Finding:
    """What to think of an installed torch.

    >>> judge_torch({"version": "1.10.0", "cuda": None, "available": False, "file": "/x/torch/__init__.py"}, True).status
    'bad'
    """
    if facts["available"]:
        return Finding(OK, "{version} with CUDA {cuda} on {device}".format(**facts))
    if not jetson:
        return Finding(
            OK, "{version}, without a GPU: training runs on the processor".format(**facts)
        )
    if facts["cuda"] is None:
        return Finding(
            BAD,
            "{version} has no CUDA: PyPI's hides NVIDIA's ({file})".format(**facts),
            NVIDIA_TORCH,
        )
    return Finding(
        BAD,
        "{version} finds no GPU, though it is made for CUDA {cuda}".format(**facts),
        "in a container: --runtime nvidia; else add this user to the group video and log in again",
    )


def memory(context: Context) -> Finding:
    """Memory for the network and the data, which the GPU shares."""
    found = context.memory()
    if "MemAvailable" not in found:
        return Finding(SKIP, "not told")
    text = "{:.1f} of {:.1f} GiB are free".format(
        found["MemAvailable"] / GIB,
        found.get("MemTotal", 0) / GIB,
    )
    if found["MemAvailable"] < LEAST_MEMORY:
        return Finding(
            WARN,
            text,
            "end other programs; without a desktop: sudo systemctl set-default multi-user.target, reboot",
        )
    return Finding(OK, text)


@jetson_only
def swap(context: Context) -> Finding:
    """Whether something has been swapped out: its traffic costs energy."""
    found = context.memory()
    used = found.get("SwapTotal", 0) - found.get("SwapFree", 0)
    if used > 64 << 20:
        return Finding(
            WARN,
            "%.2f GiB are swapped out" % (used / GIB),
            "free memory, then sudo swapoff -a && sudo swapon -a (zram: reboot)",
        )
    return Finding(OK, "nothing much is swapped out")


def disk(context: Context) -> Finding:
    """Room for runs."""
    free = shutil.disk_usage(context.folder).free
    text = f"{free / GIB:.1f} GiB are free for runs in {os.path.abspath(context.folder)}"
    if free < LEAST_DISK:
        return Finding(
            BAD if free < LEAST_DISK / 8 else WARN,
            text,
            "make room: a run needs about 0.2 GiB, data sets up to 1 GiB",
        )
    return Finding(OK, text)


def clock(context: Context) -> Finding:
    """Whether the date can be true; energies do not depend on it, records do."""
    now = context.wall()
    text = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if now < EARLIEST_S:
        return Finding(
            BAD,
            text + " cannot be true",
            "connect the board to a network with NTP, or: sudo date -s 'YYYY-MM-DD HH:MM'",
        )
    if context.jetson and not os.path.exists(
        os.path.join(context.root, "run/systemd/timesync/synchronized")
    ):
        return Finding(
            WARN, text + ", not synchronised since boot", "timedatectl set-ntp true, and a network"
        )
    return Finding(OK, text)


@jetson_only
def desktop(context: Context) -> Finding:
    """Whether a desktop runs: it takes power, and near 1 GB."""
    found = context.running(DESKTOP)
    if found:
        return Finding(
            WARN,
            "running: " + ", ".join(found),
            "sudo systemctl isolate multi-user.target (set-default, to keep it so)",
        )
    return Finding(OK, "none runs")


@jetson_only
def chores(context: Context) -> Finding:
    """Whether the system is at its own work."""
    found = context.running(CHORES)
    if found:
        return Finding(
            WARN,
            "running: " + ", ".join(found),
            "wait, and: sudo systemctl disable --now apt-daily.timer apt-daily-upgrade.timer",
        )
    return Finding(OK, "no package is being installed")


@jetson_only
def lingering(context: Context) -> Finding:
    """Whether the user's services outlive a login; runs are started by setsid where they do not."""
    if os.path.exists(os.path.join(context.root, "var/lib/systemd/linger", user_name())):
        return Finding(OK, "on: runs are services of this user")
    return Finding(
        OK, "off: runs are started by setsid (loginctl enable-linger would make them services)"
    )


@jetson_only
def transfer(context: Context) -> Finding:
    """How files come and go."""
    paths = [
        os.path.join(context.root, folder, "rsync")
        for folder in ("usr/bin", "bin", "usr/local/bin")
    ]
    return Finding(
        OK,
        "by rsync" if any(os.path.exists(path) for path in paths) else "by tar: there is no rsync",
    )


CHECKS = [
    Check("python", python),
    Check("numpy", numpy),
    Check("openblas", openblas),
    Check("torch", torch),
    Check("memory", memory),
    Check("swap", swap),
    Check("disk", disk),
    Check("clock", clock),
    Check("desktop", desktop),
    Check("chores", chores),
    Check("lingering", lingering),
    Check("transfer", transfer),
]
