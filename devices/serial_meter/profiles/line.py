"""Lines of text, one for each reading, of boards of one's own and of programs.

A form is one shape of line. `fields` lists its content: `[key=]name[:type][*scale]`, separated by
blanks, where a name ending in _mV, _mA, _uA or _mW is scaled to V, A or W, `key` is the key or
dotted JSON path, and type is float, int, hex or text.
"""

from typing import Any, Dict

from joulebird.devices.serial_meter.profiles import JACK_V, accuracy

LINE_METERS: Dict[str, Dict[str, Any]] = {
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
