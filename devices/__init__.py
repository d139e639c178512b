"""Measure it: power sources, the recorder and board control."""

# name -> "module:class". One line makes a driver known to every verb and to the conformance tests.
SOURCES = {
    "ina3221": "joulebird.devices.ina3221.source:Ina3221Source",
    "jtop": "joulebird.devices.jtop.source:JtopSource",
    "tegrastats": "joulebird.devices.tegrastats:TegrastatsSource",
    "nvml": "joulebird.devices.nvml:NvmlSource",
    "rapl": "joulebird.devices.rapl:RaplSource",
    "serial": "joulebird.devices.serial_meter.source:SerialMeterSource",
    "simulated": "joulebird.devices.simulated.source:SimulatedSource",
    "replay": "joulebird.devices.replay:ReplaySource",
}
