"""What a record says about its machine, from files under a root that the test makes."""

import os

from joulebird.harness.runs.environment import (
    board,
    code_hash,
    environment,
    processor,
)
from joulebird.harness.runs.monitor import Monitor


def put(root, path, text):
    os.makedirs(os.path.dirname(os.path.join(str(root), path)), exist_ok=True)
    with open(os.path.join(str(root), path), "w") as file:
        file.write(text)


def test_the_machine_is_named_by_its_own_files(tmp_path):
    assert environment(str(tmp_path))["boot_id"] == ""
    put(tmp_path, "proc/sys/kernel/random/boot_id", "abc\n")
    put(tmp_path, "proc/cpuinfo", "processor : 0\nmodel name\t: ARMv8 Processor rev 3\n")
    assert environment(str(tmp_path))["boot_id"] == "abc"
    assert processor(str(tmp_path)) == "ARMv8 Processor rev 3"


def test_the_environment_names_version_code_and_machine(tmp_path):
    found = environment(str(tmp_path))
    assert found["code"] == code_hash()
    assert len(found["code"]) == 12
    assert found["python"]
    assert found["cores"] >= 1
    assert "board" not in found


def test_a_jetson_is_described_by_its_own_files(tmp_path):
    put(
        tmp_path,
        "etc/nv_tegra_release",
        "# R32 (release), REVISION: 7.1, GCID: 29689809, BOARD: t186ref, EABI: aarch64\n",
    )
    put(tmp_path, "proc/device-tree/compatible", "nvidia,quill\0nvidia,tegra186\0")
    put(tmp_path, "proc/device-tree/model", "quill\0")
    found = board(str(tmp_path))
    assert found["board"].startswith("quill")
    assert found["jetpack"] == "4.6.1"
    assert "power_mode" in found


def test_a_monitor_is_silent_elsewhere_and_never_raises(tmp_path):
    events = str(tmp_path / "events.jsonl")
    assert Monitor(events, str(tmp_path)).news() == []
    put(
        tmp_path,
        "etc/nv_tegra_release",
        "# R32 (release), REVISION: 7.1, GCID: 29689809, BOARD: t186ref, EABI: aarch64\n",
    )
    monitor = Monitor(events, str(tmp_path))
    for name, facts in monitor.news() + monitor.close():
        assert name == "health_unknown"
        assert facts["reason"]
