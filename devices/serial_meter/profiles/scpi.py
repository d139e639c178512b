"""Instruments that answer questions in text: wattmeters and bench supplies.

Only a `wattmeter` is set at all; `queries` are pairs of a question and the quantities in its
answer; `start` are settings of the display, each passed through the read-only guard; `fresh`
questions and commands go before each reading so that it is a new one. `{volts}` and the like stand
for other settings of the same name.
"""

from typing import Any, Dict, List

from joulebird.devices.serial_meter.profiles import accuracy

_VIP = ["voltage_V", "current_A", "power_W"]
_WT_START = [
    ":COMM:HEAD OFF",
    ":COMM:VERB ON",
    ":NUM:FORM ASCII",
    ":INP:MODE {mode}",
    ":NUM:NORM:NUM 5",
    ":NUM:NORM:ITEM1 U,1",
    ":NUM:NORM:ITEM2 I,1",
    ":NUM:NORM:ITEM3 P,1",
    ":NUM:NORM:ITEM4 WH,1",
    ":NUM:NORM:ITEM5 TIME,1",
    ":RATE {rate}",
    ":STAT:FILT1 FALL",
]
_WT_RANGES = [
    ":INP:VOLT:RANG {volts}",
    ":INP:CURR:RANG {amps}",
]  # fixed, because a meter that changes its range loses samples


TAN_PHI = 1.732  # at a power factor of 0.5: a small power brick without its correction


def _wt310e(title: str, scope: str, mode: str, ranges: List[str], **more: Any) -> Dict[str, Any]:
    """Return a Yokogawa WT310E at its 0.25 s update interval, asked once for each new reading."""
    configured = {"volts": "30V", "amps": "2A"} if ranges else {}
    return {
        "family": "scpi",
        "title": "Yokogawa WT310E, " + title,
        "scope": scope,
        "sampling": "average",
        "interval_s": 0.25,
        "counter_step_j": 0.0036,
        "check": "v*i",
        "bauds": (9600, 57600, 38400, 19200),
        "timeout_s": 1.5,
        **more,
        "settings": {
            **configured,
            "overrange": 1.4,  # a range reads up to so much of itself
            "wattmeter": True,
            "idn": r"YOKOGAWA,(WT3\d\d\w*|76040\d)",
            "terminator": "\r\n",
            "start": _WT_START[:4] + ranges + _WT_START[4:],
            "mode": mode,
            "rate": "250MS",
            "errors": ":STAT:ERR?",
            "fresh": [":STAT:EESR?", ":COMM:WAIT 1"],
            "queries": [[":NUM:NORM:VAL?", _VIP + ["energy_Wh", "time_s"]]],
        },
    }


def _supply(title: str, queries: List[List[Any]], **more: Any) -> Dict[str, Any]:
    """Return a bench supply that feeds the board: asked only, never set.

    Its averaging is unknown.
    """
    settings = {"start": ["SYST:REM"] if more.pop("remote", False) else [], "queries": queries}
    settings.update(more.pop("settings", {}))
    return dict(
        {
            "family": "scpi",
            "title": title,
            "sampling_known": False,
            "interval_s": 0.25,
            "bauds": (115200, 9600),
            "gates": {"max_w": 400.0, "max_v": 65.0, "max_a": 35.0},
            "settings": settings,
        },
        **more,
    )


# Several questions are several instants, between which the load may have changed: their product
# only bounds the power.
_THREE_INSTANTS = {"max_w": 400.0, "max_v": 65.0, "max_a": 35.0, "vi_rel": 0.6}

SCPI_METERS: Dict[str, Dict[str, Any]] = {
    "wt310e": _wt310e(
        "DC jack",
        "dc",
        "DC",
        _WT_RANGES,
        accuracy=accuracy(
            "IM WT310E-02EN 7.3.2, DC: 0.1 % of reading + 0.2 % of range",
            0.001,
            0.0,
            1.0,
            of_range=0.002,
        ),
        gates={"max_w": 90.0, "max_v": 45.0, "max_a": 3.0},
    ),
    "wt310e-ac": _wt310e(
        "AC, ranges as set on its panel",
        "wall",
        "RMS",
        [],
        accuracy=accuracy(
            "IM WT310E-02EN 7.3.2, 45 to 66 Hz: 0.1 % of reading + 0.05 % of range, "
            "+ 0.1 % x tan phi, here at a power factor of 0.5",
            0.001 + 0.001 * TAN_PHI,
            0.0,
            1.0,
            of_range=0.0005,
        ),
        gates={"max_w": 3000.0, "max_v": 650.0, "max_a": 25.0, "ac": True},
    ),
    "gpm8213": {
        "family": "scpi",
        "title": "GW Instek GPM-8213 or GPM-8310",
        "sampling": "average",
        "interval_s": 0.5,
        "check": "v*i",
        "bauds": (115200, 9600),
        "gates": {"max_w": 300.0, "max_v": 65.0, "vi_rel": 0.1},
        "settings": {
            "wattmeter": True,
            "idn": r"GW.*GPM",
            "terminator": "\r\n",
            "gap_s": 0.1,
            "start": [
                ":COMM:HEAD OFF",
                ":COMM:VERB OFF",
                ":NUM:NORM:ITEM1 U",
                ":NUM:NORM:ITEM2 I",
                ":NUM:NORM:ITEM3 P",
                ":NUM:NORM:ITEM4 WH",
                ":NUM:NORM:NUM 4",
                ":INT:MODE MAN",
                ":INT:FUNC WATT",
            ],
            "queries": [[":NUM:NORM:VAL?", _VIP + ["energy_Wh"]]],
        },
    },
    "hmc8015": {
        "family": "scpi",
        "title": "Rohde & Schwarz HMC8015",
        "sampling": "average",
        "interval_s": 0.25,
        "check": "v*i",
        "gates": {"max_w": 300.0, "max_v": 65.0, "vi_rel": 0.15},
        "settings": {
            "wattmeter": True,
            "idn": r"(ROHDE|HAMEG).*HMC8015",
            "start": ["CHAN:MEAS:FUNC URMS,IRMS,P,WH"],
            "queries": [["CHAN:MEAS:DATA?", _VIP + ["energy_Wh"]]],
        },
    },
    "hioki3334": {
        "family": "scpi",
        "title": "Hioki 3334 on DC",
        "sampling": "average",
        "interval_s": 0.5,
        "check": "v*i",
        "bauds": (9600,),
        "gates": {"max_w": 300.0, "max_v": 65.0},
        "settings": {
            "wattmeter": True,
            "idn": r"HIOKI",
            "terminator": "\r\n",
            "over": 9.9e8,
            "ignore": r"\d{3}",
            "gap_s": 0.05,
            "start": [
                ":HEAD OFF",
                ":RECTIFIER DC",
                ":VOLTAGE:RANGE {volts}",
                ":CURRENT:RANGE {amps}",
            ],
            "volts": "30",
            "amps": "1",
            "names": {"V": "voltage_V", "A": "current_A", "W": "power_W", "WH": "energy_Wh"},
            "queries": [[":MEASURE? V,A,W", _VIP]],
        },
    },
    "hioki-pw3335": {
        "family": "scpi",
        "title": "Hioki PW3335 or PW3336",
        "sampling": "average",
        "interval_s": 0.25,
        "check": "v*i",
        "bauds": (9600, 38400),
        "gates": {"max_w": 300.0, "max_v": 65.0, "vi_rel": 0.1},
        "settings": {
            "wattmeter": True,
            "idn": r"HIOKI",
            "terminator": "\r\n",
            "over": 9.9e8,
            "start": [":HEAD OFF"],
            "names": {"U": "voltage_V", "I": "current_A", "P": "power_W", "WP": "energy_Wh"},
            "queries": [[":MEAS? U,I,P,WH", _VIP + ["energy_Wh"]]],
        },
    },
    "rigol-dp800": _supply(
        "Rigol DP800 or DP700",
        [[":MEAS:ALL? CH{channel}", _VIP]],
        check="v*i",
        settings={"channel": "1"},
        gates={"max_w": 200.0, "max_v": 65.0, "max_a": 11.0},
    ),
    "keysight-e36300": _supply(
        "Keysight E36300", [["MEAS:VOLT?", ["voltage_V"]], ["MEAS:CURR?", ["current_A"]]]
    ),
    "keysight-n5700": _supply(
        "Keysight N5700 or HP 663x",
        [["MEAS:VOLT?", ["voltage_V"]], ["MEAS:CURR?", ["current_A"]]],
        remote=True,
    ),
    "owon-spe": _supply(
        "OWON P4000 or SPE",
        [["MEAS:VOLT?", ["voltage_V"]], ["MEAS:CURR?", ["current_A"]], ["MEAS:POW?", ["power_W"]]],
        remote=True,
        gates=_THREE_INSTANTS,
    ),
    "bk9130": _supply("BK Precision 9130", [["MEAS:POW?", ["power_W"]]], remote=True),
    "scpi-supply": _supply("bench supply with MEAS:POW?", [["MEAS:POW?", ["power_W"]]]),
    "gwinstek-gpd": _supply(
        "GW Instek GPD",
        [["VOUT1?", ["voltage_V"]], ["IOUT1?", ["current_A"]]],
        settings={"units": True},
        bauds=(9600, 115200),
    ),
}
