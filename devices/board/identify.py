"""Identify this machine from world-readable files."""

import hashlib
import os
import re
from typing import Any, Dict, Optional

from joulebird.devices.util.sysfs import text_or_none

# L4T -> JetPack, of the releases that a TX2 can run (NVIDIA, JetPack archive)
JETPACKS = {
    "28.2.1": "3.3",
    "28.4.0": "3.3.3",
    "32.1.0": "4.2",
    "32.2.0": "4.2.1",
    "32.2.1": "4.2.2",
    "32.3.1": "4.3",
    "32.4.2": "4.4 DP",
    "32.4.3": "4.4",
    "32.4.4": "4.4.1",
    "32.5.0": "4.5",
    "32.5.1": "4.5.1",
    "32.6.1": "4.6",
    "32.7.1": "4.6.1",
    "32.7.2": "4.6.2",
    "32.7.3": "4.6.3",
    "32.7.4": "4.6.4",
    "32.7.5": "4.6.5",
    "32.7.6": "4.6.6",
}
BASES = ("proc/device-tree", "sys/firmware/devicetree/base")


def identify(root: str = "/") -> Dict[str, Any]:
    """Return the board: jetson and tx2 (true or false), model, compatible, l4t, jetpack.

    Unknown facts are None.

    A TX2 is known by "tegra186" in `compatible`; its model is the board family's
    name, "quill".
    """
    compatible = [name for name in (_property(root, "compatible") or "").split("\0") if name]
    release = parse_release(text_or_none(os.path.join(root, "etc/nv_tegra_release")) or "")
    return {
        "jetson": bool(release) or any("tegra" in name for name in compatible),
        "tx2": "nvidia,tegra186" in compatible,
        "model": _property(root, "model"),
        "compatible": compatible,
        "l4t": release,
        "jetpack": JETPACKS.get(release or ""),
    }


def serial(root: str = "/") -> Optional[str]:
    """Return this machine's serial number, or None.

    It is the device tree's, else the SoC's, else twelve digits of a hash of /etc/machine-id (which
    itself is to be kept private).
    """
    files = [f"{base}/serial-number" for base in BASES]
    files += [f"sys/devices/soc0/{name}" for name in ("serial_number", "soc_uid")]
    texts = ((text_or_none(os.path.join(root, path)) or "").strip("\0\n ") for path in files)
    known = next((text for text in texts if text.strip("0")), None)
    machine = (text_or_none(os.path.join(root, "etc/machine-id")) or "").strip()
    hashed = hashlib.sha256(("joulebird" + machine).encode("utf-8", "replace")).hexdigest()[:12]
    return known or (hashed if machine else None)


def _property(root: str, name: str) -> Optional[str]:
    texts = (text_or_none(os.path.join(root, base, name)) for base in BASES)
    return next((text for text in texts if text is not None), None)


def parse_release(text: str) -> Optional[str]:
    """Return the version of L4T from the first line of /etc/nv_tegra_release.

    >>> parse_release("# R32 (release), REVISION: 7.1, GCID: 29689809, BOARD: t186ref")
    '32.7.1'
    """
    match = re.match(r"# R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)", text)
    if not match:
        return None
    minor = match.group(2)
    return "{}.{}".format(match.group(1), minor if "." in minor else minor + ".0")
