"""Checks of the software: Python, numpy, torch, memory, disk, clock, and other processes."""

import json
import os
import shutil
import time
from typing import Any, Dict

from joulebird.devices.util.command import Ran, user_name
from joulebird.devices.util.sysfs import text_or_none
from joulebird.harness.doctor.check import (
    BAD,
    OK,
    SKIP,
    WARN,
    Check,
    Context,
    Verdict,
    first_of,
    jetson_only,
    none_running,
)

TORCH = """
import json, torch
facts = {"version": torch.__version__, "cuda": torch.version.cuda}
facts.update(available=torch.cuda.is_available(), file=torch.__file__)
if facts["available"]:
    facts["device"] = torch.cuda.get_device_name(0)
print(json.dumps(facts))
"""
NVIDIA_TORCH = (
    "pip3 uninstall torch torchvision, then install NVIDIA's wheel "
    "torch-1.10.0-cp36-cp36m-linux_aarch64.whl (forums.developer.nvidia.com/t/72048); "
    "PyPI's has no CUDA for a Jetson"
)
GIB = 1 << 30
LEAST_MEMORY, LEAST_DISK = 2.5 * GIB, 2.0 * GIB  # CIFAR networks at batch 128 take 2 to 3 GB
EARLIEST_S = 1704067200.0  # 2024-01-01; a TX2 has no battery for its clock


def ask(context: Context, code: str) -> Ran:
    """Run code in the Python that trains, where no file of the current folder shadows a module."""
    code = "import sys; sys.path[:] = [path for path in sys.path if path]\n" + code
    return context.run([context.python, "-c", code], "")


def not_imported(context: Context, ran: Ran, on_jetson: str, elsewhere: str) -> Verdict:
    """Return the verdict of a package that a training needs and `ran` could not import."""
    found = f"cannot be imported: {ran.words}"
    return Verdict(BAD, found, on_jetson) if context.jetson else Verdict(WARN, found, elsewhere)


def python(context: Context) -> Verdict:
    """Check the version of the Python that trains."""
    ran = ask(context, "import sys; print('.'.join(map(str, sys.version_info[:3])))")
    if ran.code != 0:
        return Verdict(
            BAD, f"{context.python} does not run: {ran.words}", "sudo apt install python3"
        )
    version = ran.out.strip()
    old = tuple(int(part) for part in version.split(".")) < (3, 6)
    return first_of(
        (old, BAD, version, "Python 3.6 or newer is needed"),
        (
            context.board["tx2"] and not version.startswith("3.6."),
            WARN,
            version + " on a TX2",
            "NVIDIA's torch for JetPack 4 is made for python3 of Ubuntu 18.04 (3.6)",
        ),
        (True, OK, version),
    )


def numpy(context: Context) -> Verdict:
    """Check that numpy can be imported: 1.19.5 crashes on a Jetson without OPENBLAS_CORETYPE."""
    ran = ask(context, "import numpy; print(numpy.__version__)")
    return first_of(
        (ran.code == 0, OK, ran.out.strip()),
        (
            ran.code in (-4, 132),
            BAD,
            "importing it is an illegal instruction",
            "export OPENBLAS_CORETYPE=ARMV8 in the environment of every command",
        ),
        (
            True,
            *not_imported(
                context, ran, "pip3 install 'numpy==1.19.5' on JetPack 4", "pip install numpy"
            ),
        ),
    )


@jetson_only
def openblas(context: Context) -> Verdict:
    """Check the variable that keeps numpy from crashing; a shell over ssh reads no profile."""
    core = context.environ.get("OPENBLAS_CORETYPE")
    return first_of(
        (context.machine != "aarch64", SKIP, "only for ARM processors"),
        (core, OK, f"OPENBLAS_CORETYPE={core}"),
        (
            True,
            WARN,
            "OPENBLAS_CORETYPE is not set: numpy 1.19.5 would crash",
            "export OPENBLAS_CORETYPE=ARMV8 (joulebird run --board passes it itself)",
        ),
    )


def torch(context: Context) -> Verdict:
    """Check that torch is here, and on a Jetson the one with CUDA."""
    ran = ask(context, TORCH)
    if ran.code != 0:
        extra = "pip install 'joulebird[train]', if you want to train here"
        return not_imported(context, ran, NVIDIA_TORCH, extra)
    return judge_torch(json.loads(ran.out.strip().splitlines()[-1]), context.jetson)


def judge_torch(facts: Dict[str, Any], jetson: bool) -> Verdict:
    """Judge an installed torch.

    >>> facts = {"version": "1.10.0", "cuda": None, "available": False, "file": "/x/torch.py"}
    >>> judge_torch(facts, True).status
    'bad'
    """
    version, cuda = facts["version"], facts["cuda"]
    hidden = f"{version} has no CUDA: PyPI's hides NVIDIA's ({facts['file']})"
    return first_of(
        (facts["available"], OK, f"{version} with CUDA {cuda} on {facts.get('device')}"),
        (not jetson, OK, f"{version}, without a GPU: training runs on the processor"),
        (cuda is None, BAD, hidden, NVIDIA_TORCH),
        (
            True,
            BAD,
            f"{version} finds no GPU, though it is made for CUDA {cuda}",
            "in a container: --runtime nvidia; "
            "else add this user to the group video and log in again",
        ),
    )


def meminfo(context: Context) -> Dict[str, int]:
    """Return bytes by name from /proc/meminfo; {} where there is none."""
    text = text_or_none(os.path.join(context.root, "proc/meminfo")) or ""
    lines = [line.split() for line in text.splitlines()]
    known = [words for words in lines if len(words) >= 2 and words[1].isdigit()]
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in known}


def memory(context: Context) -> Verdict:
    """Check the memory for the network and the data, which the GPU shares."""
    sizes = meminfo(context)
    if "MemAvailable" not in sizes:
        return Verdict(SKIP, "unknown")
    free, total = sizes["MemAvailable"], sizes.get("MemTotal", 0)
    return Verdict(
        WARN if free < LEAST_MEMORY else OK,
        f"{free / GIB:.1f} of {total / GIB:.1f} GiB are free",
        "end other programs; without a desktop: "
        "sudo systemctl set-default multi-user.target, reboot",
    )


@jetson_only
def swap(context: Context) -> Verdict:
    """Check that nothing much is swapped out: its traffic costs energy."""
    sizes = meminfo(context)
    used = sizes.get("SwapTotal", 0) - sizes.get("SwapFree", 0)
    remedy = "free memory, then sudo swapoff -a && sudo swapon -a (zram: reboot)"
    return first_of(
        (used > 64 << 20, WARN, f"{used / GIB:.2f} GiB are swapped out", remedy),
        (True, OK, "nothing much is swapped out"),
    )


def disk(context: Context) -> Verdict:
    """Check the room for runs on the disk."""
    free = shutil.disk_usage(context.folder).free
    return Verdict(
        BAD if free < LEAST_DISK / 8 else WARN if free < LEAST_DISK else OK,
        f"{free / GIB:.1f} GiB are free for runs in {os.path.abspath(context.folder)}",
        "make room: a run needs about 0.2 GiB, data sets up to 1 GiB",
    )


def clock(context: Context) -> Verdict:
    """Check that the date is plausible; energies do not depend on it, records do."""
    now = context.wall()
    text = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    mark = os.path.join(context.root, "run/systemd/timesync/synchronized")
    return first_of(
        (
            now < EARLIEST_S,
            BAD,
            text + " cannot be true",
            "connect the board to a network with NTP, or: sudo date -s 'YYYY-MM-DD HH:MM'",
        ),
        (
            context.jetson and not os.path.exists(mark),
            WARN,
            text + ", not synchronised since boot",
            "timedatectl set-ntp true, and a network",
        ),
        (True, OK, text),
    )


# A desktop takes power, and near 1 GB.
desktop = none_running(
    ["Xorg", "gnome-shell", "compiz", "lightdm", "gdm3", "unity-panel-ser"],
    "sudo systemctl isolate multi-user.target (set-default, to keep it so)",
    "none runs",
)
chores = none_running(
    ["apt", "apt-get", "dpkg", "unattended-upgr", "packagekitd", "update-manager", "snapd"],
    "wait, and: sudo systemctl disable --now apt-daily.timer apt-daily-upgrade.timer",
    "no package is being installed",
)


@jetson_only
def lingering(context: Context) -> Verdict:
    """Check whether the user's services outlive a login; if not, setsid starts the runs."""
    on = os.path.exists(os.path.join(context.root, "var/lib/systemd/linger", user_name()))
    off = "off: runs are started by setsid (loginctl enable-linger would make them services)"
    return Verdict(OK, "on: runs are services of this user" if on else off)


@jetson_only
def transfer(context: Context) -> Verdict:
    """Name the way in which files are copied."""
    folders = ("usr/bin", "bin", "usr/local/bin")
    paths = [os.path.join(context.root, folder, "rsync") for folder in folders]
    found = any(os.path.exists(path) for path in paths)
    return Verdict(OK, "by rsync" if found else "by tar: there is no rsync")


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
