"""Write a power.csv anew from the raw log of a meter that was read with the wrong profile."""

import os
from typing import Any, Dict, Iterator, List, Tuple, Union

from joulebird.devices.powerlog_read import Segment, read_log
from joulebird.devices.serial_meter.rawlog import samples
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.files import replacing
from joulebird.harness.core.powerlog import format_row


def rewrite(
    power_csv: str, raw_log: str, out: str, meter: Union[None, str, Dict[str, Any]] = None
) -> int:
    """Copy `power_csv` to `out` with the readings of `raw_log`, decoded as `meter`.

    Return the number of readings. `meter` is a name or description as for `meters.meter`; None
    keeps the one in the raw log. The segments keep their headers (clock and boot), to which the
    repair is added; each covers the same time as before. Rows that say that the meter was away or
    silent (an errno) stay. `out` appears whole or not at all, and is never overwritten.
    Raises SourceError for files of another kind, and for an `out` that exists.
    """
    if os.path.exists(out):
        raise SourceError(f"{out} exists", "give the name of a new file")
    segments = iter(read_log(power_csv))
    count = 0
    try:
        with open(power_csv, encoding="utf-8", errors="replace") as old, replacing(
            out
        ) as partial, open(partial, "x", encoding="utf-8") as new:
            for line in old:
                if line.startswith("# units"):
                    new.write(f"# repaired from the raw log {raw_log}\n")
                if line.startswith(("#", "t_us,")):
                    new.write(line)
                if line.startswith("t_us,"):
                    for row in _rows(next(segments), raw_log, meter):
                        new.write(row.decode("ascii"))
                        count += row.endswith(b" ok\n")
    except OSError as error:
        raise SourceError(
            f"cannot write {out} from {power_csv}: {error.strerror}",
            "check the folder and its permissions",
        ) from None
    return count


def _rows(
    segment: Segment, raw_log: str, meter: Union[None, str, Dict[str, Any]]
) -> Iterator[bytes]:
    """Give the rows of one segment, in the order of time."""
    rails = tuple(segment.source["rails"])
    if not segment.rows or not rails:
        return
    begin_s, end_s = segment.rows[0].t_s, segment.rows[-1].t_s
    rows: List[Tuple[float, Dict[str, float], str]] = [
        (row.t_s, {}, row.status) for row in segment.rows if row.status.startswith("E")
    ]
    rows += [
        (sample.t_s, sample.watts, sample.error or "ok")
        for sample in samples(raw_log, rails[0], meter, str(segment.clock.get("boot_id", "")))
        if begin_s <= sample.t_s <= end_s
    ]
    for t_s, watts, status in sorted(rows, key=lambda row: row[0]):
        yield format_row(t_s, watts, rails, status)
