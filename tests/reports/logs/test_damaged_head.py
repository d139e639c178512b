"""The desk refuses a damaged header of power.csv in one line, as the board does."""

import json

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.powerlog import has_rows
from joulebird.reports.logs.powerlog import first_source
from joulebird.reports.logs.trace import PowerTrace
from tests.devices.test_powerlog_head import changed_heads, cut_heads, flipped_heads


def desk(path):
    """All that the desk does with a log."""
    has_rows(path)
    trace = PowerTrace.load(path)
    first_source(path)
    for rail in trace.rails:
        json.dumps(trace.energy(rail=rail).as_dict())
    trace.energy(0.05, 0.15)
    assert trace.scope, trace.words
    trace.problems()


def test_a_folder_in_place_of_the_log(tmp_path):
    with pytest.raises(HarnessError, match="cannot read the power log"):
        has_rows(str(tmp_path))


@pytest.mark.parametrize("damage", [cut_heads, changed_heads, flipped_heads])
def test_the_desk_refuses_in_one_line(tmp_path, damage):
    damage(tmp_path, desk)
