"""Checks of the power sensors: the rails, the right to read them, what they read, how they sample, who else uses them."""

import glob
import os
import time
from typing import Any, Dict, List, Optional

from joulebird.devices import registry
from joulebird.devices.ina3221.channel import Channel, ChannelReader, find_channels
from joulebird.devices.ina3221.chip import describe_chip
from joulebird.devices.ina3221.source import Ina3221Source
from joulebird.devices.jtop.source import JtopSource
from joulebird.harness.core.errors import SourceError
from joulebird.harness.doctor.check import BAD, OK, SKIP, WARN, Check, Context, Finding, jetson_only

MODULE_VOLTS = (5.5, 19.6)  # what a TX2 module may be fed with (OEM product design guide)
PLAUSIBLE_W = (0.3, 30.0)
TX2_SHUNT_MOHM = 20.0  # of VDD_IN, by L4T's device tree of the production module
READS = 100
SLOW_S = 0.005
CLIENTS = ["tegrastats", "jtop"]


def total_channel(context: Context) -> Optional[Channel]:
    """The channel of VDD_IN, or None."""
    return next(
        (channel for channel in find_channels(context.root) if channel.rail == "VDD_IN"), None
    )


@jetson_only
def rails(context: Context) -> Finding:
    """Which rails the board measures."""
    names = [channel.rail for channel in find_channels(context.root)]
    if not names:
        return Finding(
            BAD,
            "no power monitor (INA3221) is shown under /sys",
            "is this a container? mount /sys; else look at dmesg | grep ina3221",
        )
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        return Finding(
            BAD,
            "rails by the same name: {}".format(", ".join(doubles)),
            "name the rails to record with --source-option rails=...",
        )
    if context.board["tx2"] and "VDD_IN" not in names:
        return Finding(
            BAD,
            "no VDD_IN among {}".format(", ".join(names)),
            "its chip (0x41) did not start: dmesg | grep ina3221; reboot",
        )
    carrier = (
        "with the carrier board's"
        if "VDD_MUX" in names
        else "the module's only: this carrier board measures nothing itself"
    )
    return Finding(OK, "%d rails, %s" % (len(names), carrier))


def unreadable(context: Context) -> List[str]:
    """The files of rails that this user may not read."""
    files = [
        path
        for channel in find_channels(context.root)
        for path in glob.glob(os.path.join(glob.escape(channel.folder), "ui_input_*"))
        + glob.glob(os.path.join(glob.escape(channel.folder), "in_power[0-2]_input"))
    ]
    return sorted({path for path in files if not os.access(path, os.R_OK)})


@jetson_only
def access(context: Context) -> Finding:
    """Whether the rails may be read."""
    closed = unreadable(context)
    if not closed:
        return Finding(OK, "this user may read them")
    return Finding(
        BAD,
        "%d files are closed, such as %s" % (len(closed), closed[0]),
        "sudo chmod a+r {}   (until the next boot)".format(" ".join(closed)),
    )


def open_access(context: Context) -> str:
    """Let everybody read the rails, until the next boot."""
    closed = unreadable(context)
    if closed:
        ran = context.run(context.sudo + ["chmod", "a+r"] + closed, "")
        if ran.code != 0:
            raise SourceError(f"chmod a+r failed: {ran.words}", "give it as root")
    return "%d files may be read by all until the next boot" % len(closed)


@jetson_only
def reading(context: Context) -> Finding:
    """Whether what is read can be true."""
    try:
        with Ina3221Source(root=context.root) as source:
            sample = source.read()
            volts = source.volts
    except (SourceError, OSError) as error:
        return Finding(
            BAD, f"cannot be read: {error}", getattr(error, "hint", "") or "look at dmesg"
        )
    watts = sum(sample.watts.get(rail, 0.0) for rail in source.total)
    text = f"{watts:.2f} W" + "".join(
        f", {rail} at {volts[rail]:.2f} V" for rail in source.total if rail in volts
    )
    if not PLAUSIBLE_W[0] <= watts <= PLAUSIBLE_W[1]:
        return Finding(
            BAD,
            text + ": a module does not draw that",
            "compare with a meter; a wrong shunt in the device tree scales all",
        )
    if "VDD_IN" in volts and not MODULE_VOLTS[0] <= volts["VDD_IN"] <= MODULE_VOLTS[1]:
        return Finding(
            BAD, text + ": outside {:g} to {:g} V".format(*MODULE_VOLTS), "measure the supply"
        )
    return Finding(OK, text)


@jetson_only
def sampling(context: Context) -> Finding:
    """How the chip samples, and by which shunt it counts."""
    channel = total_channel(context)
    if channel is None:
        return Finding(SKIP, "no VDD_IN")
    return judge_chip(
        describe_chip(context.root, channel), channel.shunt_mohm, bool(context.board["tx2"])
    )


def judge_chip(chip: Dict[str, Any], shunt_mohm: Optional[float], tx2: bool) -> Finding:
    """What to think of a chip's settings."""
    window_s = chip["averaging_window_s"]
    text = "{}, {}, shunt {}".format(
        chip["running_mode"] or "mode not told",
        "window not told"
        if window_s is None
        else "averages over %.0f ms" % (1000 * window_s)
        if (chip["averages"] or 1) > 1
        else "no averaging",
        "not told" if shunt_mohm is None else f"{shunt_mohm:g} mohm",
    )
    if tx2 and shunt_mohm is not None and shunt_mohm != TX2_SHUNT_MOHM:
        return Finding(
            WARN,
            text,
            "a TX2 has 20 mohm at VDD_IN: a wrong value scales all watts; compare with a meter",
        )
    if chip["running_mode"] == "triggered":
        return Finding(
            WARN,
            text,
            "every reading is a snapshot: keep runs long, or: echo 1 | sudo tee {}/running_mode".format(
                chip["path"]
            ),
        )
    if chip["running_mode"] is None or shunt_mohm is None:
        return Finding(
            WARN,
            text,
            "the device tree is not shown (a container?): mount /proc/device-tree, so that the record can tell",
        )
    return Finding(OK, text)


@jetson_only
def speed(context: Context) -> Finding:
    """What one reading costs."""
    channel = total_channel(context)
    if channel is None:
        return Finding(SKIP, "no VDD_IN")
    reader, values = ChannelReader(channel), []
    try:
        reader.open()
        begin_s = time.monotonic()
        for _ in range(READS):
            values.append(reader.read())
        each_s = (time.monotonic() - begin_s) / READS
    except (OSError, ValueError) as error:
        return Finding(BAD, f"a reading failed: {error}", "see the checks above")
    finally:
        reader.close()
    changes = sum(a != b for a, b in zip(values, values[1:]))
    text = "%.2f ms a reading, %d of %d differ from the one before" % (
        1000 * each_s,
        changes,
        READS - 1,
    )
    return Finding(
        OK if each_s < SLOW_S else WARN,
        text,
        "" if each_s < SLOW_S else "end other users of the sensors; lengthen --period",
    )


@jetson_only
def clients(context: Context) -> Finding:
    """Who else reads the sensors: they slow ours down, and load the board."""
    found = context.running(CLIENTS)
    if found:
        return Finding(
            WARN,
            "also read by: " + ", ".join(found),
            "end them for the campaign: sudo systemctl stop jtop; close tegrastats",
        )
    return Finding(OK, "nobody else reads the sensors")


@jetson_only
def jtop_service(context: Context) -> Finding:
    """The jtop service, if jetson-stats is here; nothing needs it."""
    found = JtopSource.probe()
    if found.usable:
        return Finding(OK, f"jtop can be read too ({found.reason})")
    return Finding(SKIP, f"jtop cannot be read: {found.reason}")


def best_source(context: Context) -> Finding:
    """Which source a run would record."""
    if context.jetson:
        found = Ina3221Source.probe(root=context.root)
        if found.usable:
            return Finding(OK, f"ina3221: {found.reason}")
    name = registry.best()
    if name != registry.FALLBACK:
        return Finding(OK, name)
    return Finding(
        BAD if context.jetson else WARN,
        "no sensor can be read here: runs would carry simulated energies",
        "`joulebird sources` says why each cannot; connect a meter, or run on a board",
    )


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
