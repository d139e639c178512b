"""The INA3221 driver on file trees of every JetPack, through every fault a read can give."""

import errno
import glob
import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile

import pytest

from joulebird.devices.ina3221.source import Ina3221Source
from joulebird.harness.core.errors import SourceError
from tests.devices.fake_tx2_tree import CARRIER, MODULE, FakeTX2

SIX = {"VDD_IN", "VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_4V0_WIFI", "VDD_SYS_CPU", "VDD_SYS_DDR"}
OTHER_CHIP = {"VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_4V0_WIFI"}
# What 14.025, 6.854, ... W become in steps of 2 mA (VDD_IN) or 4 mA.
TRAIN_MW = {
    "VDD_IN": 14034,
    "VDD_SYS_GPU": 6883,
    "VDD_SYS_SOC": 1377,
    "VDD_4V0_WIFI": 19,
    "VDD_SYS_CPU": 2218,
    "VDD_SYS_DDR": 2707,
}


@pytest.fixture
def board(tmp_path):
    """Makes trees; closes them."""
    made = []

    def make(**options):
        made.append(FakeTX2(tmp_path / str(len(made)), **options).build())
        return made[-1]

    yield make
    for tree in made:
        tree.close()


def milliwatts(sample):
    return {rail: int(round(watts * 1000)) for rail, watts in sample.watts.items()}


@pytest.mark.parametrize("layout", ["l4t32", "l4t28", "hwmon"])
def test_every_form_gives_the_same_watts(board, layout):
    with Ina3221Source(root=board(layout=layout, state="train").root) as source:
        sample = source.read()
        assert set(source.rails) == SIX
        assert source.rails[0] == "VDD_IN"
        assert source.total == ("VDD_IN",)
        assert milliwatts(sample) == TRAIN_MW
        assert sample.error is None
        assert source.scope == "module"
        assert source.real


def test_rails_go_by_name_whatever_their_number(board):
    """The iio number is the probe order, and a channel may sit anywhere."""
    chips = [
        (0x40, 3, [("VDD_SYS_CPU", 10, None), ("VDD_IN", 20, None)]),
        (0x41, 0, [("VDD_SYS_GPU", 10, None)]),
    ]
    tree = board(chips=chips, state="train")
    with Ina3221Source(root=tree.root) as source:
        assert source.total == ("VDD_IN",)
        assert milliwatts(source.read()) == {
            rail: TRAIN_MW[rail] for rail in ("VDD_IN", "VDD_SYS_CPU", "VDD_SYS_GPU")
        }


def test_a_node_reached_by_five_paths_is_one_node(board):
    """iio_device is a link to iio:deviceN: a driver that counted it twice would find two rails
    VDD_IN.
    """
    for alias in (True, False):
        with Ina3221Source(root=board(iio_alias=alias).root, rails="all") as source:
            assert len(source.rails) == 12


def test_the_board_is_module_and_carrier(board):
    with Ina3221Source(root=board(state="train").root, total="board") as source:
        watts = source.read().watts
        assert source.total == ("VDD_IN", "VDD_MUX")
        assert source.scope == "board"
        assert sum(watts[rail] for rail in source.total) == pytest.approx(14.034 + 1.2, abs=0.04)


def test_a_foreign_carrier_serves_for_the_module_only(board):
    root = board(carrier=False).root
    with Ina3221Source(root=root) as source:
        assert set(source.rails) == SIX
    with pytest.raises(SourceError, match="no VDD_MUX") as caught:
        Ina3221Source(root=root, total="board").open()
    assert "total=module" in caught.value.hint


@pytest.mark.parametrize(
    ("rails", "total"),
    [
        (["POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU"], ("POM_5V_IN",)),
        (["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"], ("VDD_IN",)),
        (
            ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"],
            ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
        ),
    ],
)
def test_other_jetsons_have_their_own_total(board, rails, total):
    tree = board(layout="hwmon", chips=[(0x40, 0, [(rail, 5, None) for rail in rails])])
    with Ina3221Source(root=tree.root) as source:
        assert source.total == total
        assert set(source.rails) == set(rails)


def test_an_agx_xavier_has_no_total_and_says_so(board):
    chips = [
        (0x40, 0, [("GPU", 5, None), ("CPU", 5, None), ("SOC", 5, None)]),
        (0x41, 1, [("CV", 5, None), ("VDDRQ", 5, None), ("SYS5V", 5, None)]),
    ]
    root = board(chips=chips).root
    with pytest.raises(SourceError, match="no rail for the whole module") as caught:
        Ina3221Source(root=root).open()
    assert "rails=" in caught.value.hint
    assert "SYS5V" in caught.value.message
    with Ina3221Source(root=root, rails="GPU,CPU") as source:
        assert source.rails == ("GPU", "CPU")
        assert source.total == ()
    with Ina3221Source(root=root, total=["GPU", "SYS5V"]) as source:
        assert source.total == source.rails == ("GPU", "SYS5V")
        assert source.scope == "rails"


@pytest.mark.parametrize(
    ("total", "twice", "outer"),
    [
        (["VDD_SYS_CPU", "VDD_IN", "VDD_SYS_GPU"], "VDD_SYS_CPU, VDD_SYS_GPU", "VDD_IN"),
        (["VDD_IN", "VDD_MUX", "VDD_3V3_SYS"], "VDD_3V3_SYS", "VDD_MUX"),
    ],
)
def test_a_total_of_a_rail_and_one_inside_it_is_refused(board, total, twice, outer):
    root = board().root
    with pytest.raises(SourceError, match=f"^{twice}: inside {outer}, ") as caught:
        Ina3221Source(root=root, total=total).open()
    assert outer in caught.value.hint
    for beside in (["VDD_SYS_CPU", "VDD_SYS_GPU"], ["VDD_IN", "VDD_MUX"], ["VDD_IN"]):
        with Ina3221Source(root=root, total=beside) as source:
            assert source.total == tuple(beside)


def test_channels_without_a_shunt_are_left_out(board):
    """L4T prints "(null)" for them; hwmon labels them NC, and reading them is an error."""
    tree = board(wifi=False)
    with open(tree.p("/sys/bus/i2c/devices/0-0040/iio:device0/rail_name_2")) as file:
        assert file.read() == "(null)\n"
    with Ina3221Source(root=tree.root, rails="all") as source:
        assert len(source.rails) == 11
        assert "(null)" not in source.rails
    tree = board(
        layout="hwmon",
        chips=[(0x40, 0, [("VDD_IN", 5, None), ("NC", 5, None), ("VDD_SOC", 5, None)])],
    )
    tree.put("/sys/class/hwmon/hwmon1/in3_enable", "0\n")
    with Ina3221Source(root=tree.root) as source:
        assert source.rails == ("VDD_IN",)


def test_named_rails_only(board):
    root = board().root
    with Ina3221Source(root=root, rails=["VDD_SYS_CPU"]) as source:
        assert source.rails == ("VDD_IN", "VDD_SYS_CPU")
        assert "VDD_SYS_GPU" in source.describe()["left_out"]
    with pytest.raises(SourceError, match="no rail VDD_CPU on this board"):
        Ina3221Source(root=root, rails=["VDD_CPU"]).open()


def test_two_channels_of_one_name_are_an_error(board):
    chips = [(0x40, 0, [("VDD_IN", 10, None)]), (0x41, 1, [("VDD_IN", 20, None)])]
    with pytest.raises(SourceError, match="two different channels are called VDD_IN"):
        Ina3221Source(root=board(chips=chips).root).open()


def test_no_chip_at_all(tmp_path):
    with pytest.raises(SourceError, match="no INA3221") as caught:
        Ina3221Source(root=str(tmp_path)).open()
    assert "sources" in caught.value.hint
    assert not Ina3221Source.probe(root=str(tmp_path)).usable


def test_closed_files_of_another_chip_are_none_of_ours(tmp_path):
    """A workstation's fan controller with files for root is no INA3221."""
    folder = tmp_path / "sys/class/hwmon/hwmon0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("nct6775\n")
    (folder / "in1_label").symlink_to("/nowhere")
    with pytest.raises(SourceError, match="no INA3221"):
        Ina3221Source(root=str(tmp_path)).open()


def test_a_total_that_does_not_exist_is_refused_at_once():
    with pytest.raises(SourceError, match="no total 'wall'"):
        Ina3221Source(total="wall")


# which file is read


def test_the_file_with_both_values_of_one_conversion_is_preferred(board):
    tree = board(state="train", chips=MODULE)
    iio = tree.p("/sys/bus/i2c/devices/0-0041/iio:device1")
    expected = [
        ("ui_input_0", 14034.08e-3),
        ("in_power0_input", 14034e-3),
        ("in_voltage0_input in_current0_input", 14034.08e-3),
    ]
    for attribute, watts in expected:
        with Ina3221Source(root=tree.root, rails=["VDD_IN"]) as source:
            assert source.describe()["channels"]["VDD_IN"]["attribute"] == attribute
            assert source.read().watts["VDD_IN"] == pytest.approx(watts, abs=1e-9)
        os.unlink(os.path.join(iio, attribute.split()[0]))


def test_a_negative_current_is_a_reading(board):
    tree = board(offsets_uv={"VDD_SYS_CPU": -80}, chips=MODULE)
    tree.set_rails({"VDD_SYS_CPU": 0.0})
    with Ina3221Source(root=tree.root) as source:
        assert source.read().watts["VDD_SYS_CPU"] == pytest.approx(-0.153, abs=0.001)


def test_files_are_opened_once(board):
    source = Ina3221Source(root=board().root)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    source.open()
    source.open()
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before + len(source.rails)
    fds = [file._fd for reader in source._readers for file in reader._files]
    for _ in range(50):
        source.read()
    assert [file._fd for reader in source._readers for file in reader._files] == fds
    source.close()
    source.close()
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


def test_the_time_is_the_middle_of_reading_the_total(board):
    ticks = itertools.count(100)
    source = Ina3221Source(root=board().root, clock=lambda: float(next(ticks)))
    with source:
        begin = next(ticks)
        assert source.read().t_s == begin + 1.5  # between the two looks at the clock around VDD_IN


def test_a_live_tree_is_read_live(board):
    tree = board()
    with Ina3221Source(root=tree.root) as source:
        assert milliwatts(source.read())["VDD_IN"] == 1874
        tree.set_rails({"VDD_IN": 7.0})
        assert source.read().watts["VDD_IN"] == pytest.approx(7.0, abs=0.02)
        assert source.volts["VDD_IN"] == pytest.approx(19.12)


# what the record keeps


def test_the_record_holds_shunts_words_and_clock(board):
    with Ina3221Source(root=board(chips=MODULE).root) as source:
        facts = json.loads(json.dumps(source.describe()))
    chip = facts["chips"][0]
    assert facts["sampling"] == "average"
    assert chip["running_mode"] == "continuous"
    assert chip["forced_continuous"]
    assert (chip["continuous_config"], chip["trigger_config"]) == ("0x7607", "0x7003")
    assert chip["averaging_window_s"] == pytest.approx(0.05376)
    assert chip["bus_hz"] == 400000
    assert facts["channels"]["VDD_IN"]["shunt_mohm"] == 20
    assert facts["channels"]["VDD_SYS_GPU"]["shunt_mohm"] == 10
    assert facts["range_w"]["VDD_IN"] == pytest.approx(163.8e-3 / 20e-3 * 19.6, abs=0.1)
    assert facts["range_w"]["VDD_SYS_CPU"] == pytest.approx(163.8e-3 / 10e-3 * 19.6, abs=0.1)
    assert facts["sensor"].startswith("ina3221 of 0320218112345, 0x40/0 VDD_SYS_GPU 10 mohm, ")
    assert "0x41/0 VDD_IN 20 mohm" in facts["sensor"]
    assert facts["accuracy"]["gain"] == 0.005
    assert "SBOS576" in facts["accuracy"]["reference"]
    assert facts["accuracy"]["offset_mw"]["VDD_IN"] == pytest.approx(76.5)
    assert facts["accuracy"]["offset_mw"]["VDD_SYS_GPU"] == pytest.approx(153)
    assert facts["accuracy"]["quantum_mw"]["VDD_IN"] == pytest.approx(38.2)


def test_a_rails_range_is_that_of_its_own_supply(board):
    """VDD_SYS_DDR read as 4.8 V x 60 A = 288 W once passed."""
    with Ina3221Source(root=board(chips=MODULE).root) as source:
        ranges = source.describe()["range_w"]
    for rail in ("VDD_SYS_DDR", "VDD_4V0_WIFI"):
        assert 163.8e-3 / 10e-3 * 4.8 < ranges[rail] < 163.8e-3 / 10e-3 * 4.8 * 1.5


def test_a_chip_that_converts_once_a_reading_gives_snapshots(board):
    with Ina3221Source(root=board(continuous=False).root) as source:
        chip = source.describe()["chips"][0]
        assert source.sampling == "snapshot"
        assert chip["running_mode"] == "triggered"
        assert chip["averages"] == 1


def test_the_drivers_own_words_average_over_422_ms(board):
    with Ina3221Source(root=board(words=(0x7727, 0x7123)).root) as source:
        assert source.describe()["chips"][0]["averaging_window_s"] == pytest.approx(0.4224)


def test_the_device_tree_is_found_without_link_or_uevent(board):
    """Older kernels have no of_node; some have only /proc/device-tree."""
    tree = board(chips=MODULE)
    for address in ("0040", "0041"):
        os.unlink(tree.p(f"/sys/devices/3160000.i2c/i2c-0/0-{address}/of_node"))
    with Ina3221Source(root=tree.root) as source:
        assert source.describe()["chips"][0]["continuous_config"] == "0x7607"
    for address in ("0040", "0041"):
        os.unlink(tree.p(f"/sys/devices/3160000.i2c/i2c-0/0-{address}/uevent"))
    os.unlink(tree.p("/proc/device-tree"))
    os.rename(tree.p("/sys/firmware/devicetree/base"), tree.p("/proc/device-tree"))
    with Ina3221Source(root=tree.root) as source:
        assert source.describe()["channels"]["VDD_IN"]["shunt_mohm"] == 20
    shutil.rmtree(tree.p("/proc/device-tree"))
    with Ina3221Source(root=tree.root) as source:  # without shunts: the bounds of the smallest one
        facts = source.describe()
        assert facts["channels"]["VDD_IN"]["shunt_mohm"] is None
        assert facts["chips"][0]["averages"] is None
        assert facts["sampling"] == "snapshot"
        assert facts["below_resolution"] == []
        assert facts["accuracy"]["offset_mw"]["VDD_IN"] == pytest.approx(306, abs=0.2)
        assert facts["range_w"]["VDD_IN"] == pytest.approx(163.8e-3 / 5e-3 * 26.0, abs=0.1)
        assert "shunt not known" in facts["accuracy"]["reference"]


def test_readings_within_the_offset_are_marked(board):
    with Ina3221Source(root=board(state="idle").root) as source:
        assert set(source.describe()["below_resolution"]) == {"VDD_SYS_GPU", "VDD_4V0_WIFI"}
    with Ina3221Source(root=board(state="train").root) as source:
        assert set(source.describe()["below_resolution"]) == {"VDD_4V0_WIFI"}


# faults


def failing(monkeypatch, source, rails, number):
    """From now on the kernel answers reads of these rails with an error."""
    fds = {
        file._fd
        for reader in source._readers
        if reader.channel.rail in rails
        for file in reader._files
    }
    real = os.pread

    def pread(fd, count, offset):
        if fd in fds:
            raise OSError(number, os.strerror(number))
        return real(fd, count, offset)

    monkeypatch.setattr(os, "pread", pread)


@pytest.mark.parametrize("name", ["EAGAIN", "EIO", "EREMOTEIO", "ETIMEDOUT"])
def test_a_rail_that_fails_is_absent_and_named(board, monkeypatch, name):
    with Ina3221Source(root=board().root) as source:
        failing(monkeypatch, source, ["VDD_SYS_GPU"], getattr(errno, name))
        sample = source.read()
        assert set(sample.watts) == SIX - {"VDD_SYS_GPU"}
        assert sample.error == name
        monkeypatch.undo()
        assert set(source.read().watts) == SIX  # nothing to reopen, nothing lost


@pytest.mark.parametrize("name", ["EAGAIN", "EIO", "EREMOTEIO"])
def test_when_every_rail_fails_the_read_raises(board, monkeypatch, name):
    with Ina3221Source(root=board().root) as source:
        failing(monkeypatch, source, SIX, getattr(errno, name))
        with pytest.raises(OSError) as caught:
            source.read()
        assert caught.value.errno == getattr(errno, name)


@pytest.mark.skipif(
    not os.path.exists("/proc/self/mem"),
    reason="LOUD: no /proc/self/mem here, so no file that really answers EIO",
)
def test_an_error_from_the_kernel_itself(board):
    tree = board(chips=MODULE)
    path = tree.p("/sys/devices/3160000.i2c/i2c-0/0-0040/iio:device0/ui_input_0")
    os.unlink(path)
    os.symlink("/proc/self/mem", path)  # its first page is never mapped
    with Ina3221Source(root=tree.root) as source:
        sample = source.read()
        assert sample.error == "EIO"
        assert "VDD_SYS_GPU" not in sample.watts
        assert "VDD_IN" in sample.watts


@pytest.mark.parametrize("text", ["", "19144\n", "busy now\n"])
def test_text_that_is_no_reading(board, text):
    tree = board(chips=MODULE)
    tree.put("/sys/devices/3160000.i2c/i2c-0/0-0041/iio:device1/ui_input_1", text)
    with Ina3221Source(root=tree.root) as source:
        sample = source.read()
        assert sample.error == "GARBLED"
        assert "VDD_SYS_CPU" not in sample.watts
    tree.put("/sys/devices/3160000.i2c/i2c-0/0-0041/iio:device1/ui_input_0", text)
    with Ina3221Source(root=tree.root, rails=[]) as source, pytest.raises(
        SourceError, match="unreadable text"
    ):
        source.read()


def test_a_driver_that_is_unbound_is_found_again_under_any_number(board, monkeypatch):
    """An unbound driver answers ENODEV, then has no files, and may come back under another number:
    by its name, though another chip has taken its old path.
    """
    tree, clock = board(chips=MODULE, state="train", iio_alias=False), itertools.count(100)
    chip = "/sys/devices/3160000.i2c/i2c-0/0-0041"
    device, path = tree.p(chip), tree.p(chip + "/iio:device1")
    with Ina3221Source(root=tree.root, clock=lambda: float(next(clock))) as source:
        failing(monkeypatch, source, SIX - OTHER_CHIP, errno.ENODEV)
        sample = source.read()
        assert (set(sample.watts), sample.error) == (OTHER_CHIP, "ENODEV")
        monkeypatch.undo()
        os.rename(path, device + "/gone")
        assert set(source.read().watts) == OTHER_CHIP
        os.rename(device + "/gone", device + "/iio:device7")
        decoy = {"name": "ina3221x", "rail_name_0": "VDD_X", "ui_input_0": "19120 99"}
        tree.put_all(chip + "/iio:device1", 0o444, **decoy)
        assert milliwatts(source.read()) == TRAIN_MW


def test_labels_that_disagree_with_the_device_tree_are_refused(board, monkeypatch):
    """VDD_IN and VDD_SYS_CPU swapped: 33.5 J for 190, were they believed."""
    tree, clock = board(chips=MODULE, state="train"), itertools.count(100)
    folder = tree.p("/sys/devices/3160000.i2c/i2c-0/0-0041/iio:device1")
    labels = [os.path.join(folder, f"rail_name_{number}") for number in (0, 1)]

    def swap():
        for path, rail in zip(labels, ("VDD_SYS_CPU", "VDD_IN")):
            tree.put(path[len(tree.root) :], rail + "\n")

    with Ina3221Source(root=tree.root, clock=lambda: float(next(clock))) as source:
        failing(monkeypatch, source, ["VDD_IN"], errno.ENODEV)
        source.read()
        monkeypatch.undo()
        swap()
        with pytest.raises(SourceError, match="VDD_IN, but the device tree names it VDD_SYS_CPU"):
            source.read()
    with pytest.raises(SourceError, match="VDD_IN, but the device tree names it VDD_SYS_CPU"):
        Ina3221Source(root=tree.root).open()


REFUSED = """
import json, os, sys
from joulebird.harness.core.errors import SourceError
from joulebird.devices.ina3221.source import Ina3221Source
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    with Ina3221Source(root=sys.argv[1]) as source:
        print(json.dumps({"attribute": source.describe()["channels"]["VDD_IN"]["attribute"]}))
except SourceError as error:
    print(json.dumps({"message": error.message, "hint": error.hint}))
"""


def as_nobody(root):
    """What the driver says to a user who is not root."""
    done = subprocess.run([sys.executable, "-c", REFUSED, root], stdout=subprocess.PIPE)
    return json.loads(done.stdout.decode())


@pytest.mark.parametrize(("ui_too", "names_too"), [(False, ""), (True, "ui_*"), (True, "rail_*")])
def test_a_permission_refused(ui_too, names_too):
    """Only in_power is closed to users: ui_input serves.

    All are closed: the command that opens them is in the hint.
    """
    work = tempfile.mkdtemp()
    try:
        os.chmod(work, 0o755)
        tree = FakeTX2(os.path.join(work, "board"), chips=MODULE, root_only_power=True).build()
        tree.close()
        chips = tree.p("/sys/devices/3160000.i2c/i2c-0/0-004?/iio:device?/")
        if ui_too:
            for path in glob.glob(chips + "ui_input_?") + glob.glob(chips + names_too):
                os.chmod(path, stat.S_IRUSR)
        said = as_nobody(tree.root)
        if ui_too:
            assert "was refused" in said["message"]
            assert "sudo chmod a+r" in said["hint"]
            assert "in_power[0-2]_input" in said["hint"]
            line = said["hint"].partition("sudo ")[2].partition("   (")[0]
            subprocess.check_call(["sh", "-c", line])  # one line opens all chips
            assert as_nobody(tree.root)["attribute"] == "ui_input_0"
        else:
            assert said["attribute"] == "ui_input_0"
    finally:
        shutil.rmtree(work)


def test_the_fake_board_has_a_carrier():
    """Guards the tests above: the rails that make a board are where they look for them."""
    assert {rail for _, _, channels in CARRIER for rail, _, _ in channels} >= {"VDD_MUX"}
