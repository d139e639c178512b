"""A meter on the desk: its rows move to the board's clock, the energies agree with the board's
own, the error goes with them.
"""

import json
import random
import threading

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.host.boards.results import BOARD_LOG
from joulebird.harness.host.desk_meter import attach as desk_meter
from joulebird.harness.host.desk_meter.clock import Alignment, ClockLog, Probe
from joulebird.harness.host.desk_meter.latency import Curve, lag
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.records import load
from tests.devices.fake_tx2_tree import STATES, FakeTX2
from tests.harness.host.loopback import LoopbackBoard

AHEAD_S = 5000


@pytest.fixture
def live(needs_sshd, needs_namespaces, tmp_path):
    """A board whose clock is far ahead, and whose power steps up and down for all to see: for
    its own sensors and for a "meter" here.
    """
    board = LoopbackBoard(tmp_path / "tx2", "tx2", ahead_s=AHEAD_S)
    tree = FakeTX2(str(tmp_path / "tx2" / "tree"), state="idle").build()
    over, moments = threading.Event(), random.Random(1)

    def load_it():
        while not over.is_set():
            for state in ("train", "idle"):
                tree.set_rails(STATES[state])
                over.wait(moments.uniform(0.3, 1.2))

    thread = threading.Thread(target=load_it)
    thread.start()
    board.boot()
    yield board
    board.off()
    over.set()
    thread.join()
    tree.close()


@pytest.mark.slow
def test_a_stage_measured_at_the_desk_has_the_energy_that_the_board_measured(
    live, new_desk, tmp_path
):
    desk = new_desk(live)
    study = desk.naps(epochs=6, pause_s=1.0)
    meter = ("--meter", "ina3221", "--meter-option", f"root={tmp_path}/tx2/tree")
    desk.run("run", study, "--board", "tx2", "--idle", "2", "--every", "1", *meter)
    (run,) = load(str(desk.runs))
    (stage,) = run.stages
    window = stage.attempts[0].useful
    here = stage.trace.energy(window.begin_s, window.end_s, boot_id=window.boot_id)
    there = PowerTrace.load(f"{stage.folder}/{BOARD_LOG}").energy(
        window.begin_s, window.end_s, boot_id=window.boot_id
    )
    assert here.coverage > 0.99
    assert here.joules == pytest.approx(there.joules, rel=0.03)
    (clock,) = stage.trace.clocks
    assert clock["offset_s"] == pytest.approx(-AHEAD_S, abs=0.05)
    assert clock["boot_id"] == window.boot_id
    assert clock["u_s"] < 0.15
    assert stage.trace.u_clock_s(window.boot_id) == clock["u_s"]
    idle = [path.parent.name for path in desk.runs.glob("idle/*/" + BOARD_LOG)]
    assert len(idle) == 2
    desk.run("run", study, "--board", "tx2", *meter)
    assert stage.folder
    assert len(list(desk.runs.glob("meter/*"))) == 1
    assert PowerTrace.load(f"{stage.folder}/power.csv").samples == stage.trace.samples


def test_a_load_pattern_is_played_and_its_edges_are_told(link):
    from joulebird.harness.host.link.agent import Agent

    played = Agent(link).call("play", chip_s=0.05)
    levels = [level for _, level in played["edges"]]
    times = [t_s for t_s, _ in played["edges"]]
    assert levels == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert times == sorted(times)
    assert times[-1] - times[0] >= 14 * 0.05
    assert played["boot_id"]


@pytest.mark.parametrize(("late_s", "period_s"), [(0.0, 0.1), (0.4, 0.1), (1.3, 1.0)])
def test_a_meters_lag_is_found(late_s, period_s):
    noise = random.Random(7)
    edges, level = [0.0], [5.0]
    while edges[-1] < 120.0:
        edges.append(edges[-1] + noise.uniform(0.8, 3.0))
        level.append(16.0 - level[-1])
    truth = Curve(edges, level)
    times = [10.0 + period_s * index for index in range(int(100 / period_s))]
    watts = [truth.mean(t - period_s - late_s, t - late_s) + noise.gauss(0, 0.1) for t in times]
    assert lag(truth, times, watts) == pytest.approx(late_s, abs=0.05)


def test_a_steady_load_says_nothing_about_lag():
    noise = random.Random(7)
    times = [0.1 * index for index in range(600)]
    assert (
        lag(Curve([0.0, 60.0], [5.0, 5.0]), times, [5 + noise.gauss(0, 0.1) for _ in times]) is None
    )


def session(root, lines, rows):
    """A meter's session with a log and probes of the line board = here + 100."""
    folder = root / "meter" / "s"
    folder.mkdir(parents=True)
    head = [
        "# joulebird-power-log 1",
        '# source {"name": "m", "sampling": "average", "rails": ["P"], "total": ["P"], "scope": '
        '"dc"}',
        '# clock {"monotonic_s": 1.0, "wall_s": 5.0, "boot_id": "desk"}',
        "# units t_us",
        "t_us,P_mw,status",
    ]
    (folder / record.POWER).write_text(
        "\n".join(head + [f"{round(t * 1e6):16d},{5000:9d},{'ok':>12}" for t in rows])
        + "\n"
        + lines
    )
    ClockLog(folder / desk_meter.CLOCK).add(
        "b", [Probe(t, t + 100.0005, t + 0.001) for t in range(0, 100, 2)]
    )
    return folder


SPEC = {
    "method": "dense",
    "model": "vgg16",
    "dataset": "digits",
    "prune_ratio": 0.0,
    "width": 1.0,
    "batch": 64,
    "epochs": 1,
}


def stage(root, events):
    """A finished run with one stage that has these events."""
    folder = root / "stages" / "x"
    folder.mkdir(parents=True)
    (folder / record.EVENTS).write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / record.POWER).write_text("own\n")
    record.write_stage(str(root), record.StageRecord("x", "x", "f"))
    (root / "r").mkdir()
    record.write_run(str(root), record.RunRecord("r", SPEC, ("x",), {"best": 0.5, "last": 0.5}))
    return folder


EVENTS = [
    {"t_s": 120.0, "event": "attempt_begin", "boot_id": "b"},
    {"t_s": 120.1, "event": "stage_begin"},
    {"t_s": 150.0, "event": "stage_end"},
]


def test_rows_move_to_the_boards_clock_and_damaged_ones_stay_away(tmp_path):
    session(tmp_path, "    damaged,\n", [0.5 * index for index in range(200)])
    folder = stage(tmp_path, EVENTS)
    assert desk_meter.attach(tmp_path, ["r"], print) == [folder]
    trace = PowerTrace.load(str(folder / record.POWER))
    (piece,) = trace.pieces
    assert piece.boot_id == "b"
    assert piece.begin_us == pytest.approx(110.0e6, abs=0.6e6)
    assert piece.end_us == pytest.approx(160e6, abs=0.6e6)
    assert trace.damaged == 0
    assert trace.clocks[0]["u_s"] == pytest.approx(0.0005, abs=0.0004)
    assert trace.energy(120.1, 150.0, boot_id="b").joules == pytest.approx(5 * 29.9, rel=1e-6)
    assert (folder / BOARD_LOG).read_text() == "own\n"
    stated = record.read_stage(str(tmp_path), "x").digests
    assert stated == record.digests(str(folder))
    assert set(stated) == {record.EVENTS, record.POWER, BOARD_LOG}
    assert desk_meter.attach(tmp_path, ["r"], print) == []


@pytest.mark.parametrize("own", ["own\n", "", "edited\n"])
def test_the_digests_follow_after_a_kill_and_hide_no_edit(tmp_path, own):
    session(tmp_path, "", [0.5 * index for index in range(200)])
    folder = stage(tmp_path, EVENTS)
    if not own:
        (folder / record.POWER).unlink()
        record.write_stage(str(tmp_path), record.StageRecord("x", "x", "f"))
    before = (folder / record.STAGE).read_bytes()
    desk_meter.attach(tmp_path, ["r"], print)
    (folder / record.STAGE).write_bytes(before)  # as a kill before the last step leaves it
    if own == "edited\n":
        (folder / BOARD_LOG).write_text(own)
    desk_meter.attach(tmp_path, ["r"], print)
    stated = record.read_stage(str(tmp_path), "x").digests
    assert (stated == record.digests(str(folder))) is (own != "edited\n")


def test_a_kill_between_the_two_renames_is_completed(tmp_path):
    session(tmp_path, "", [0.5 * index for index in range(200)])
    folder = stage(tmp_path, EVENTS)
    (folder / record.POWER).rename(folder / BOARD_LOG)
    assert desk_meter.attach(tmp_path, ["r"], print) == [folder]
    assert (folder / BOARD_LOG).read_text() == "own\n"
    assert PowerTrace.load(str(folder / record.POWER)).samples > 50


def test_a_stage_of_another_boot_or_time_keeps_its_own_log(tmp_path):
    session(tmp_path, "", [0.5 * index for index in range(200)])
    folder = stage(tmp_path, [{**event, "boot_id": "other"} for event in EVENTS])
    assert desk_meter.attach(tmp_path, ["r"], print) == []
    assert (folder / record.POWER).read_text() == "own\n"


def test_a_stage_over_a_reboot_has_a_segment_for_each_clock(tmp_path):
    folder = session(tmp_path, "", [0.5 * index for index in range(200)])
    ClockLog(folder / desk_meter.CLOCK).add(
        "c", [Probe(t, t - 59.9995, t + 0.001) for t in range(60, 100, 2)]
    )
    later = [
        {"t_s": 10.0, "event": "attempt_begin", "boot_id": "c"},
        {"t_s": 10.1, "event": "stage_resume"},
        {"t_s": 20.0, "event": "stage_end"},
    ]
    where = stage(
        tmp_path,
        [
            *EVENTS[:2],
            {"t_s": 130.0, "event": "epoch", "epoch": 1, "begin_s": 121.0, "train_end_s": 129.0},
            *later,
        ],
    )
    desk_meter.attach(tmp_path, ["r"], print)
    trace = PowerTrace.load(str(where / record.POWER))
    assert trace.boots == ("b", "c")
    assert trace.energy(10.1, 20.0, boot_id="c").joules == pytest.approx(5 * 9.9, rel=1e-6)


def test_the_played_pattern_gives_the_lag(tmp_path):
    """A meter that reads 0.6 s late, ten times a second, on a clock of its own; the pattern's
    edges are in the board's.
    """
    edges = [
        (110.0 + t, level)
        for t, level in (
            (0, 0),
            (2, 1),
            (12, 0),
            (16, 1),
            (20, 0),
            (22, 1),
            (24, 0),
            (26, 1),
            (28, 0),
        )
    ]
    power = Curve([0.0] + [t for t, _ in edges], [5.0] + [5.0 + 6.0 * level for _, level in edges])
    folder = session(tmp_path, "", [])
    rows = [
        f"{round(t * 1e6):16d},{round(1e3 * power.mean(t + 99.3, t + 99.4)):9d},{'ok':>12}"
        for t in (0.1 * index for index in range(20, 900))
    ]
    with open(folder / record.POWER, "a") as file:
        file.write("\n".join(rows) + "\n")
    (folder / desk_meter.SIGNATURE).write_text(json.dumps({"boot_id": "b", "edges": edges}) + "\n")
    lines = {"b": Alignment(100.0, 0.0, 1.0, (Probe(0.0, 100.0, 0.001),))}
    assert desk_meter.played_lag_s(folder, lines) == pytest.approx(0.6, abs=0.05)
    where = stage(tmp_path, EVENTS)
    desk_meter.attach(tmp_path, ["r"], print)
    assert PowerTrace.load(str(where / record.POWER)).u_clock_s("b") == pytest.approx(0.6, abs=0.05)
