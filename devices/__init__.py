"""Measure it: power sources, the recorder and board control."""

# name -> "module:class". One line makes a driver known to every verb and to the conformance tests.
SOURCES = {
    "ina3221": "devices.ina3221:Ina3221Source",
    "jtop": "devices.jetson_stats:JtopSource",
    "tegrastats": "devices.tegrastats:TegrastatsSource",
    "nvml": "devices.nvml:NvmlSource",
    "rapl": "devices.rapl:RaplSource",
    "serial": "devices.serial_meter.source:SerialMeterSource",
    "simulated": "devices.simulated:SimulatedSource",
    "replay": "devices.replay:ReplaySource",
}
