"""Write a power.csv anew from the raw log, after its readings were decoded with the wrong profile."""

from typing import Any, Dict, Iterator, Union

from joulebird.devices.powerlog_read import Segment, read_log
from joulebird.devices.serial_meter.rawlog import samples
from joulebird.harness.core.powerlog import format_row


def rewrite(
    power_csv: str, raw_log: str, out: str, meter: Union[None, str, Dict[str, Any]] = None
) -> int:
    """Copy `power_csv` to `out` with the readings that `raw_log` gives when it is decoded as `meter`; gives the number of readings.

    The segments keep their headers (clock and boot), to which the repair is added; each covers the same time as before. Rows that
    say that the meter was away or silent (an errno) stay. Raises SourceError for files of another kind.
    """
    count = 0
    segments = iter(read_log(power_csv))
    with open(power_csv, encoding="utf-8", errors="replace") as old, open(
        out, "x", encoding="utf-8"
    ) as new:
        for line in old:
            if line.startswith("# units"):
                new.write(f"# repaired from the raw log {raw_log}\n")
            if line.startswith(("#", "t_us,")):
                new.write(line)
            if line.startswith("t_us,"):
                for row in _rows(next(segments), raw_log, meter):
                    new.write(row.decode("ascii"))
                    count += row.endswith(b" ok\n")
    return count


def _rows(
    segment: Segment, raw_log: str, meter: Union[None, str, Dict[str, Any]]
) -> Iterator[bytes]:
    """The rows of one segment, in the order of time."""
    if not segment.rows:
        return
    rails = tuple(segment.source["rails"])
    begin_s, end_s = segment.rows[0].t_s, segment.rows[-1].t_s
    found = [(row.t_s, {}, row.status) for row in segment.rows if row.status.startswith("E")]
    for sample in samples(raw_log, rails[0], meter, segment.clock["boot_id"]):
        if begin_s <= sample.t_s <= end_s:
            found.append((sample.t_s, sample.watts, sample.error or "ok"))
    for t_s, watts, status in sorted(found, key=lambda row: row[0]):
        yield format_row(t_s, watts, rails, status)
