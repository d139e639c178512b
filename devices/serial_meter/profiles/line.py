"""Lines of text, one for each reading, of boards and of programs.

A form is one shape of line. `fields` lists its content: `[key=]name[:type][*scale]`, separated by
blanks, where a name ending in _mV, _mA, _uA or _mW is scaled to V, A or W, `key` is the key or
dotted JSON path, and type is float, int, hex or text.
"""

from typing import Any, Dict

from joulebird.devices.serial_meter.profiles import JACK_V, accuracy

# INA226 behind 10 milliohm: full scale 81.92 mV, in steps of 2.5 uV; up to 36 V
INA226_W = 36.0 * 8.192
_SP3 = (
    "ms:int mV_in:int mA_in:int mW_in:int on_in:int mV_0:int mA_0:int mW_0:int on_0:int intr_0:hex "
    "mV_1:int mA_1:int mW_1:int on_1:int intr_1:hex cs_2s:text cs_xor:text"
)
_SP3_SHAPE = (
    r"\d{10}(,\d{5},\d{4},\d{5},\d)(,\d{5},\d{4},\d{5},\d,[\da-f]{2}){2},[\da-f]{2},[\da-f]{2}"
)


def _smartpower3(side: str, title: str, range_w: float = 60.0) -> Dict[str, Any]:
    """Return one side of an ODROID SmartPower3; its two checksums cover the whole line."""
    return {
        "family": "line",
        "title": "ODROID SmartPower3, " + title,
        "sampling_known": False,
        "interval_s": 0.01,
        "check": "checksum",
        "range_w": range_w,
        "accuracy": accuracy(
            "SmartPower3: 3 % typical above 5 V and 1 A; lines in steps of 1 mW", 0.03, 0.0, 1.0
        ),
        "bauds": (115200, 921600, 460800, 230400),
        "gates": {"max_w": 75.0, "max_v": 26.0, "max_a": 5.0, "vi_rel": 0.03, "vi_abs_w": 0.05},
        "settings": {
            "checksum": "smartpower3",
            "forms": [{"form": "csv", "shape": _SP3_SHAPE, "fields": _SP3}],
            "quantities": {
                "power": ["mW_" + side, 0.001],
                "voltage": ["mV_" + side, 0.001],
                "current": ["mA_" + side, 0.001],
            },
        },
    }


LINE_METERS: Dict[str, Dict[str, Any]] = {
    "smartpower3": _smartpower3("0", "output 0"),
    "smartpower3-1": _smartpower3("1", "output 1"),
    "smartpower3-in": _smartpower3("in", "input side", 75.0),
    "edgepowermeter": {  # firmware 1, and 2 in its CSV mode
        "family": "line",
        "title": "EdgePowerMeter (ESP32-C3 and INA226), CSV",
        "sampling_known": False,
        "interval_s": 0.01,
        "check": "v*i",
        "settle_s": 2.0,
        "range_w": INA226_W,
        "accuracy": accuracy(quantum_mw=0.25 * JACK_V),
        "gates": {"max_w": 300.0, "max_v": 36.0, "max_a": 16.0},
        "settings": {
            "ignore": r"#.*|\[\w+\].*|Timestamp,.*",
            "forms": [
                {
                    "form": "csv",
                    "fields": "t_meter:text voltage_V current_A power_W",
                    "shape": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
                    r"(,(-?\d+\.\d{3,4}|-?nan|-?inf)){3}",
                }
            ],
        },
    },
    # firmware 2: registers of the INA226 with a 10 milliohm shunt, no redundancy in the line
    "edgepowermeter-raw": {
        "family": "line",
        "title": "EdgePowerMeter firmware 2, RAW",
        "sampling_known": False,
        "interval_s": 0.01,
        "settle_s": 2.0,
        "range_w": INA226_W,
        "accuracy": accuracy(quantum_mw=0.25 * JACK_V),
        "gates": {"max_w": 300.0, "max_v": 36.0, "max_a": 16.0},
        "settings": {
            "start": "HELLO\nMODE RAW\n",
            "ignore": r"#.*",
            "increasing": "seq",
            "forms": [
                {
                    "form": "regex",
                    "shape": r"D,(?P<seq>\d+),(?P<t_us>\d+)"
                    r",(?P<voltage_V>\d{1,5}),(?P<current_A>-?\d{1,5})",
                    "fields": "seq:int t_us:int voltage_V*1.25e-3 current_A*2.5e-4",
                },
                {
                    "form": "regex",
                    "role": "note",
                    "shape": r"T,(?P<t_us>\d+),(?P<rtc_s>\d+),(?P<src>\w)",
                    "fields": "t_us:int rtc_s:int src:text",
                },
                {
                    "form": "regex",
                    "role": "identity",
                    "shape": r"!HELLO,(?P<name>[^,]+),(?P<fw>[^,]+),(?P<protocol>\d+)",
                    "fields": "name:text fw:text protocol:int",
                },
            ],
        },
    },
    "friedcircuits": {
        "family": "line",
        "title": "FriedCircuits USB tester, JSON",
        "sampling": "average",
        "interval_s": 1.0,
        "range_w": 26.0 * 3.2,
        "accuracy": accuracy(),
        "gates": {"max_w": 90.0, "max_v": 26.0, "max_a": 3.3},
        "settings": {
            "increasing": "t_ms",
            "forms": [
                {
                    "form": "json",
                    "fields": "a.avg=current_A v.avg=voltage_V mwh=energy_mWh:float time=t_ms:int "
                    "a.min=min_A a.max=max_A v.min=min_V v.max=max_V",
                }
            ],
            "between": [["min_A", "current_A", "max_A"], ["min_V", "voltage_V", "max_V"]],
            "quantities": {"energy": ["energy_mWh", 3.6]},
        },
    },
    # Arduino sketch getcurrent.ino: millis, volts, milliamperes; it waits for one byte
    "ina219-csv": {
        "family": "line",
        "title": "Arduino with an INA219, millis,V,mA",
        "sampling_known": False,
        "interval_s": 0.1,
        "settle_s": 2.0,
        "range_w": 26.0 * 3.2,  # INA219 behind 0.1 ohm: 320 mV, in steps of 10 uV
        "accuracy": accuracy(quantum_mw=0.1 * JACK_V),
        "gates": {"max_w": 90.0, "max_v": 26.0, "max_a": 3.3},
        "settings": {
            "start": "g",
            "increasing": "t_ms",
            "forms": [
                {
                    "form": "csv",
                    "shape": r"\d+,-?\d+\.\d\d,-?\d+\.\d\d",
                    "fields": "t_ms:int voltage_V current_mA",
                }
            ],
        },
    },
    "key-value": {
        "family": "line",
        "title": "text line V=.. I=.. P=..",
        "sampling_known": False,
        "check": "v*i",
        "interval_s": 0.1,
        "settings": {
            "ignore": r"#.*",
            "forms": [{"form": "pairs", "fields": "V=voltage_V I=current_A P=power_W"}],
        },
    },
    "csv-vip": {
        "family": "line",
        "title": "text line t_ms,V,A,W",
        "sampling_known": False,
        "check": "v*i",
        "interval_s": 0.1,
        "settings": {
            "ignore": r"#.*",
            "forms": [{"form": "csv", "fields": "t_ms:int voltage_V current_A power_W"}],
        },
    },
    "csv-vip-comma": {
        "family": "line",
        "title": "text line t_ms;V;A;W with decimal commas",
        "sampling_known": False,
        "check": "v*i",
        "interval_s": 0.1,
        "settings": {
            "ignore": r"#.*",
            "decimal": ",",
            "forms": [
                {"form": "csv", "separator": ";", "fields": "t_ms:int voltage_V current_A power_W"}
            ],
        },
    },
    # For a board of one's own: D,<seq>,<us>,<mV>,<uA>,<mW>*<xor of all before the star, hex>
    "diy-checked": {
        "family": "line",
        "title": "D,seq,us,mV,uA,mW*xor",
        "sampling_known": False,
        "check": "checksum",
        "interval_s": 0.02,
        "settings": {
            "ignore": r"#.*",
            "checksum": "xor",
            "increasing": "seq",
            "forms": [
                {
                    "form": "csv",
                    "shape": r"D(,-?\d+){5}",
                    "fields": "tag:text seq:int t_us:int voltage_mV current_uA power_mW",
                }
            ],
        },
    },
    # The log of SPEC's PTDaemon, which writes -1 and -2 W when the meter is gone.
    "ptdaemon-log": {
        "family": "line",
        "title": "line of a PTDaemon log",
        "scope": "wall",
        "sampling": "average",
        "interval_s": 1.0,
        "check": "v*i",
        "gates": {"max_w": 5000.0, "ac": True, "min_w": -0.5, "sentinels": (-1.0, -2.0)},
        "settings": {
            "forms": [
                {
                    "form": "regex",
                    "fields": "power_W voltage_V current_A pf",
                    "shape": r"Time,[^,]*,Watts,(?P<power_W>[-\d.]+),Volts,(?P<voltage_V>[-\d.]+)"
                    r",Amps,(?P<current_A>[-\d.]+),PF,(?P<pf>[-\d.]+),Mark,[^,]*",
                }
            ]
        },
    },
}
