"""The demo's study on a board that is a TX2 in all but its GPU: five methods at three ratios,
trained there, its table here.
"""

import json

import pytest

from tests.devices.fake_tx2_tree import FakeTX2
from tests.harness.host.desk import ROOT
from tests.harness.host.loopback import LoopbackBoard


def study(desk, epochs: int, ratios=(0.3, 0.5, 0.7)) -> str:
    """The demo's study, shorter, for a processor."""
    text = (
        (ROOT / "harness/presets/demo.toml")
        .read_text()
        .replace("[study]", '[study]\ndevice = "cpu"')
    )
    text = "\n".join(
        line
        for line in text.splitlines()
        if not line.startswith(("epochs", "milestones", "prune_ratios"))
    )
    text = text.replace(
        "[schedule]",
        f"prune_ratios = {list(ratios)}\n[schedule]\nepochs = {epochs}\nmilestones = [1]",
    )
    (desk.folder / "study.toml").write_text(text)
    return "study.toml"


@pytest.mark.slow
def test_under_python_36_it_ends_with_its_table_here(
    needs_sshd, needs_namespaces, old_python, tmp_path, new_desk
):
    board = LoopbackBoard(tmp_path / "tx2", "tx2", python=old_python)
    tree = FakeTX2(str(tmp_path / "tx2" / "tree"), state="train").build()
    desk = new_desk(board)
    with board:
        desk.run("run", study(desk, 2), "--board", "tx2", "--idle", "1")
    tree.close()
    records = desk.records().values()
    assert len(records) == 15
    assert {one.environment["python"][:4] for one in records} == {"3.6."}
    assert {one.environment["packages"]["torch"][:6] for one in records} == {"1.10.0"}
    assert {one.source["name"] for one in records} == {"ina3221"}
    table = json.loads(desk.run("table", "2", "runs", "--form", "json"))
    text = desk.run("table", "2", "runs")
    for method in ("LT (one-shot)", "SNIP", "NS", "ThiNet", "EB Train"):
        assert method in text
        assert method in json.dumps(table)
    assert "ina3221" in text
    assert "simulated" not in text
    assert "void" not in text


@pytest.mark.slow
def test_with_the_desks_own_python_the_numbers_are_those_of_a_local_run(alpha, new_desk, tmp_path):
    there, here = new_desk(alpha), new_desk(alpha, name="here")
    there.run(
        "run", study(there, 2, [0.5]), "--board", "alpha", "--source", "simulated", "--idle", "0"
    )
    here.run(
        "run", study(here, 2, [0.5]), "--board", "here", "--source", "simulated", "--idle", "0"
    )
    assert {name: one.accuracy for name, one in there.records().items()} == {
        name: one.accuracy for name, one in here.records().items()
    }
    assert len(there.records()) == 5
    assert there.values() == here.values()
