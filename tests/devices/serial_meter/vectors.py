"""The frames of vectors.json, each with the meter that reads it."""

import json
import os

FAMILIES = ("line", "scpi", "wattsup", "modbus", "rdtech_um")

with open(
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors.json"), encoding="utf-8"
) as source:
    VECTORS = [v for v in json.load(source)["vectors"] if v["family"] in FAMILIES]


VIP = ("voltage_V", "current_A", "power_W")


def wt(*names, **more):
    """A WT310E that was asked for these quantities.

    With less than three of them nothing confirms the power.
    """
    return {
        "like": more.get("like", "wt310e"),
        "check": "v*i" if names == VIP else "none",
        "settings": {"queries": [[":NUM:NORM:VAL?", list(names)]]},
    }


FLOAT = {
    "family": "modbus",
    "settings": {
        "unit": 1,
        "function": 4,
        "start": 0,
        "count": 2,
        "layout": [["power_W", 0, "f32", 1]],
    },
}
BY_ID = {
    "yoko-val-doc": wt("a", "b", "power_W"),
    "yoko-val-one-doc": wt("power_W", like="wt310e-ac"),
    "wattsup-unlogged": {"like": "wattsup", "check": "none"},
    "yoko-nan": wt(*VIP),
    "yoko-inf": wt(*VIP),
    "wt210-nodata": wt(*VIP),
    "wt-header-on": wt("power_W"),
    "scpi-err": wt("power_W"),
    "psu-decimal-comma": "scpi-supply",
    "psu-meas-power": "scpi-supply",
    "psu-meas-all": "rigol-dp800",
    "hmc8015-nan": {
        "like": "hmc8015",
        "settings": {"queries": [["CHAN:MEAS:DATA?", ["power_W", "energy_Wh"]]]},
    },
    "hioki-over": "hioki3334",
    "hioki-pw3335": "hioki-pw3335",
    "gpm8213-val": "gpm8213",
    "epm-raw": "edgepowermeter-raw",
    "epm-hello": "edgepowermeter-raw",
    "epm-anchor": "edgepowermeter-raw",
    "line-key-value": "key-value",
    "line-decimal-comma": "csv-vip-comma",
    "fried-json": "friedcircuits",
    "sp3-derived-19V": "smartpower3",
    "dps5005-reply": "dps5005",
    "rd6006-req": "rd6006",
    "rd6006-reply": "rd6006",
    "um25c-pyummeter": "um25c",
    "um25c-derived": "um25c",
    "um25c-short": "um25c",
    "um34c-pyummeter": "um34c",
    "um34c-derived": "um34c",
    "um34c-badcs": "um34c",
    "ieee754-nan": FLOAT,
    "ieee754-inf": FLOAT,
    "modbus-exception": "pzem004t",
}
BY_START = (
    ("wattsup", "wattsup"),
    ("sp3", "smartpower3-in"),
    ("epm", "edgepowermeter"),
    ("ina219", "ina219-csv"),
    ("line", "ina219-csv"),
    ("ptd", "ptdaemon-log"),
    ("yoko", "wt310e"),
    ("pzem017", "pzem017"),
    ("pzem", "pzem004t"),
    ("um", "um24c"),
)


def spec(vector):
    """What `meters.meter` must be given to read this frame."""
    if vector["id"] in BY_ID:
        return BY_ID[vector["id"]]
    return next(name for start, name in BY_START if vector["id"].startswith(start))


def frame(vector):
    """The bytes of a frame; a bare register pair is wrapped in the reply that carries it."""
    data = bytes.fromhex(vector["hex"])
    if vector["id"].startswith("ieee754"):
        from joulebird.devices.serial_meter.decoders.checksums import crc

        data = b"\x01\x04\x04" + data
        data += crc(data)
    return data


def replies():
    """The frames that a meter sends."""
    return [v for v in VECTORS if v["direction"] == "reply"]
