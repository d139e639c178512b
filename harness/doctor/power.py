"""Checks of the power sensors: rails, access, readings, sampling, and other users."""

import time
from typing import Any, Dict, Optional

from joulebird.devices import registry
from joulebird.devices.ina3221.channel import (
    Channel,
    ChannelReader,
    closed_files,
    find_channels,
)
from joulebird.devices.ina3221.describe import describe_chip
from joulebird.devices.ina3221.source import Ina3221Source
from joulebird.devices.jtop.source import JtopSource
from joulebird.harness.core.errors import SourceError
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

MODULE_VOLTS = (5.5, 19.6)  # supply of a TX2 module (OEM product design guide)
PLAUSIBLE_W = (0.3, 30.0)
TX2_SHUNT_MOHM = 20.0  # of VDD_IN, by L4T's device tree of the production module
READS = 100
SLOW_S = 0.005


def total_channel(context: Context) -> Optional[Channel]:
    """Return the channel of VDD_IN, or None."""
    found = (channel for channel in find_channels(context.root) if channel.rail == "VDD_IN")
    return next(found, None)


@jetson_only
def rails(context: Context) -> Verdict:
    """Count the rails that the board measures."""
    names = [channel.rail for channel in find_channels(context.root)]
    doubles = sorted({name for name in names if names.count(name) > 1})
    return first_of(
        (
            not names,
            BAD,
            "no power monitor (INA3221) is shown under /sys",
            "is this a container? mount /sys; else look at dmesg | grep ina3221",
        ),
        (
            doubles,
            BAD,
            "rails of the same name: " + ", ".join(doubles),
            "name the rails to record with --source-option rails=...",
        ),
        (
            context.board["tx2"] and "VDD_IN" not in names,
            BAD,
            "no VDD_IN among " + ", ".join(names),
            "its chip (0x41) did not start: dmesg | grep ina3221; reboot",
        ),
        ("VDD_MUX" in names, OK, f"{len(names)} rails, with the carrier board's"),
        (
            True,
            OK,
            f"{len(names)} rails, the module's only: this carrier board measures nothing itself",
        ),
    )


@jetson_only
def access(context: Context) -> Verdict:
    """Check that the rails may be read."""
    closed = closed_files(context.root)
    found = f"{len(closed)} files are closed, such as {''.join(closed[:1])}"
    remedy = f"sudo chmod a+r {' '.join(closed)}  # until the next boot"
    return first_of((closed, BAD, found, remedy), (True, OK, "this user may read them"))


def open_access(context: Context) -> str:
    """Let all users read the rails, until the next boot."""
    closed = closed_files(context.root)
    if closed:
        ran = context.run(context.sudo + ["chmod", "a+r"] + closed, "")
        if ran.code != 0:
            raise SourceError(f"chmod a+r failed: {ran.words}", "give it as root")
    return f"{len(closed)} files may be read by all until the next boot"


@jetson_only
def reading(context: Context) -> Verdict:
    """Check that the readings are plausible."""
    try:
        source = Ina3221Source(root=context.root)
        with source:
            sample, volts = source.read(), source.volts
    except (SourceError, OSError) as error:
        return Verdict(
            BAD, f"cannot be read: {error}", getattr(error, "hint", "") or "look at dmesg"
        )
    watts = sum(sample.watts.get(rail, 0.0) for rail in source.total)
    text = f"{watts:.2f} W" + "".join(
        f", {rail} at {volts[rail]:.2f} V" for rail in source.total if rail in volts
    )
    low, high = MODULE_VOLTS
    return first_of(
        (
            not PLAUSIBLE_W[0] <= watts <= PLAUSIBLE_W[1],
            BAD,
            text + ": a module does not draw that",
            "compare with a meter; a wrong shunt in the device tree scales all",
        ),
        (
            not low <= volts.get("VDD_IN", low) <= high,
            BAD,
            f"{text}: outside {low:g} to {high:g} V",
            "measure the supply",
        ),
        (True, OK, text),
    )


@jetson_only
def sampling(context: Context) -> Verdict:
    """Check how the chip samples, and by which shunt it counts."""
    channel = total_channel(context)
    if channel is None:
        return Verdict(SKIP, "no VDD_IN")
    return judge_chip(
        describe_chip(context.root, channel), channel.shunt_mohm, bool(context.board["tx2"])
    )


def judge_chip(chip: Dict[str, Any], shunt_mohm: Optional[float], tx2: bool) -> Verdict:
    """Judge a chip's settings."""
    window_s, averages = chip["averaging_window_s"], (chip["averages"] or 1) > 1
    window = f"averages over {1000 * (window_s or 0):.0f} ms" if averages else "no averaging"
    averaging = "window unknown" if window_s is None else window
    shunt = "unknown" if shunt_mohm is None else f"{shunt_mohm:g} mohm"
    text = f"{chip['running_mode'] or 'mode unknown'}, {averaging}, shunt {shunt}"
    return first_of(
        (
            tx2 and shunt_mohm not in (None, TX2_SHUNT_MOHM),
            WARN,
            text,
            "a TX2 has 20 mohm at VDD_IN: a wrong value scales all watts; compare with a meter",
        ),
        (
            chip["running_mode"] == "triggered",
            WARN,
            text,
            "every reading is a snapshot: keep runs long, or: "
            f"echo 1 | sudo tee {chip['path']}/running_mode",
        ),
        (
            chip["running_mode"] is None or shunt_mohm is None,
            WARN,
            text,
            "the device tree is not shown (a container?): "
            "mount /proc/device-tree, so that the record has it",
        ),
        (True, OK, text),
    )


@jetson_only
def speed(context: Context) -> Verdict:
    """Measure the time of one reading."""
    channel = total_channel(context)
    if channel is None:
        return Verdict(SKIP, "no VDD_IN")
    reader = ChannelReader(channel)
    try:
        reader.open()
        begin_s = time.monotonic()
        values = [reader.read() for _ in range(READS)]
        each_s = (time.monotonic() - begin_s) / READS
    except (OSError, ValueError) as error:
        return Verdict(BAD, f"a reading failed: {error}", "see the checks above")
    finally:
        reader.close()
    changes = sum(a != b for a, b in zip(values, values[1:]))
    text = f"{1000 * each_s:.2f} ms a reading, {changes} of {READS - 1} differ from the one before"
    return Verdict(
        OK if each_s < SLOW_S else WARN, text, "end other users of the sensors; lengthen --period"
    )


# Other readers slow ours down, and load the board.
clients = none_running(
    ["tegrastats", "jtop"],
    "end them for the campaign: sudo systemctl stop jtop; close tegrastats",
    "no other process reads the sensors",
)


@jetson_only
def jtop_service(context: Context) -> Verdict:
    """Try the jtop service, if jetson-stats is here; nothing needs it."""
    probed = JtopSource.probe()
    return first_of(
        (probed.usable, OK, f"jtop can be read too ({probed.reason})"),
        (True, SKIP, f"jtop cannot be read: {probed.reason}"),
    )


def best_source(context: Context) -> Verdict:
    """Name the source that a run would record."""
    if context.jetson:
        probed = Ina3221Source.probe(root=context.root)
        if probed.usable:
            return Verdict(OK, f"ina3221: {probed.reason}")
    try:
        return Verdict(OK, registry.best())
    except SourceError as error:
        return Verdict(BAD if context.jetson else WARN, error.message, error.hint)


CHECKS = [
    Check("rails", rails),
    Check("access", access, open_access),
    Check("reading", reading),
    Check("sampling", sampling),
    Check("speed", speed),
    Check("other clients", clients),
    Check("jtop", jtop_service),
    Check("source", best_source),
]
