"""The benchmark of the readers' cost runs, and its order holds; the figures themselves are printed
by the script.
"""

import pytest

from tests.benchmarks.bench_reader_cost import measure


@pytest.mark.slow
def test_sysfs_costs_a_small_part_of_what_jtop_does():
    rows = {
        row["what"].partition(" at ")[0] + row["what"].partition(":")[2]: row
        for row in measure(seconds=6.0)
    }
    one, six, whole = (
        rows["sysfs, VDD_IN"],
        rows["sysfs, the module's six rails"],
        rows["jtop, 12 rails reader and service"],
    )
    assert one["share"] < six["share"] < whole["share"]
    per_reading = {name: row["share"] / row["rate_hz"] for name, row in rows.items()}
    assert (
        per_reading["jtop, 12 rails reader and service"]
        > 10 * per_reading["sysfs, the module's six rails"]
    )
    assert whole["share"] > 5 * rows["jtop, 12 rails our reader"]["share"]
    assert 0.7 * 20 < one["rate_hz"] < 1.3 * 20
    assert 0.7 * 50 < six["rate_hz"] < 1.3 * 50
