"""Run the real jetson-stats service on a fake TX2 tree: no root, no systemd, no mount namespaces,
on any Linux machine.

    jtop_fake_service.py TREE SOCKET [--version X.Y.Z]

TREE is made by fake_tx2_tree.py. Only constants and the results of discovery are replaced; server,
manager, queue, event, timer thread and client are the unmodified package (4.3.2 on Python 3.6 and
7.2.2 on 3.11). --version is what the service claims to be. Prints "READY pid=N" with the process id
of the JtopServer, one of the three processes of its group.
"""

import argparse
import grp
import logging
import os
import signal
import sys

sys.path.pop(0)  # this folder holds jtop/, the tests of our client

TX2_HARDWARE = {
    "Model": "quill",
    "699-level Part Number": "699-83310-1000-B02 E.0",
    "P-Number": "p3310-1000",
    "BoardIDs": "p3310-0000-A0",
    "Module": "NVIDIA Jetson TX2",
    "SoC": "tegra186",
    "CUDA Arch BIN": "6.2",
    "Codename": "Quill",
    "Serial Number": "0320218112345",
    "L4T": "32.7.1",
    "Jetpack": "4.6.1",
}


def patch_paths(tree, socket, version):
    """Replace the package's constants before the service is made."""
    import jtop.core.config
    import jtop.core.jetson_clocks
    import jtop.service

    jtop.service.JTOP_PIPE = socket
    jtop.service.JTOP_USER = grp.getgrgid(os.getgid()).gr_name  # the group that owns the socket
    jtop.service.get_hardware = lambda: dict(TX2_HARDWARE)  # an ordinary host is not a Jetson
    if version:
        jtop.service.get_var = lambda pattern: version
    folder = os.path.join(os.path.dirname(socket), "jtop-config")
    jtop.core.config.get_config_service = lambda data_folder=None: folder
    os.environ["PATH"] = os.pathsep.join(
        [os.path.join(tree, "usr/sbin"), os.path.join(tree, "usr/bin"), os.environ["PATH"]]
    )
    os.environ["FAKE_ROOT"] = tree
    clocks = os.path.join(tree, "usr/bin/jetson_clocks")  # insists on uid 0, like the real one
    jtop.core.jetson_clocks.PATH_JETSON_CLOCKS = [clocks] if os.getuid() == 0 else []
    return jtop.service


def make_server(tree, socket, version):
    """A JtopServer whose sensors were discovered, by the package's own functions, in the tree."""
    service = patch_paths(tree, socket, version)
    import jtop.core.cpu as cpu
    import jtop.core.gpu as gpu
    import jtop.core.power as power
    import jtop.core.temperature as temperature

    real = os.getuid
    os.getuid = lambda: 0  # the "need sudo" check only
    try:
        server = service.JtopServer(force=True)
    finally:
        os.getuid = real
    sysfs = os.path.join(tree, "sys")
    sensors = power.find_all_i2c_power_monitor(os.path.join(sysfs, "bus/i2c/devices"))
    server.power._power_sensor = dict(sorted(sensors.items()))
    zones = temperature.get_virtual_thermal_temperature(
        os.path.join(sysfs, "devices/virtual/thermal")
    )
    server.temperature._temperature = dict(sorted(zones.items(), key=lambda item: item[0].lower()))
    server.gpu._gpu_list = gpu.find_igpu(os.path.join(sysfs, "class/devfreq/"))
    cores = os.path.join(sysfs, "devices/system/cpu")  # six cores, though the host may have two
    server.cpu._cpu = [
        {"path": os.path.join(cores, f"cpu{i}"), "last_cpu": [0.0] * len(cpu.CPU_STAT_LABEL)}
        for i in range(6)
    ]
    server.cpu._proc_stat = os.path.join(tree, "proc/stat")
    server.memory._root_path = os.path.join(sysfs, "kernel")
    server.memory._is_emc = True
    server.engine.engines_path = {"APE": [os.path.join(sysfs, "kernel/debug/clk/ape")]}
    return server


def end(number, frame):
    """SIGTERM ends the service in order."""
    raise SystemExit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tree")
    parser.add_argument("socket")
    parser.add_argument("--version", default="")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    server = make_server(
        os.path.abspath(options.tree), os.path.abspath(options.socket), options.version
    )
    signal.signal(signal.SIGTERM, end)
    server.start()
    print(
        f"READY pid={server.pid}"
    )  # the socket file is there before its mode is set: wait for this
    sys.stdout.flush()
    try:
        server.join()
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        server.close()


if __name__ == "__main__":
    main()
