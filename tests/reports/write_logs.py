"""Write power logs as ARCHITECTURE.md says, for the tests of the reports."""

import json

SOURCE = {
    "name": "ina3221",
    "sampling": "snapshot",
    "scope": "module",
    "rails": ["VDD_IN"],
    "total": ["VDD_IN"],
    "real": True,
}


def header(source=None, boot_id="boot-1", version=1):
    """The header lines of one segment."""
    source = dict(SOURCE, **(source or {}))
    columns = ",".join(["t_us", *(rail + "_mw" for rail in source["rails"]), "status"])
    clock = {"monotonic_s": 1.0, "wall_s": 1.7e9, "boot_id": boot_id}
    return (
        f"# joulebird-power-log {version}\n# source {json.dumps(source)}\n# clock "
        f"{json.dumps(clock)}\n"
        "# units t_us: microseconds of CLOCK_MONOTONIC; *_mw: milliwatts; status: ok, or why the "
        f"read failed\n{columns}\n"
    )


def row(t_us, *mw, status="ok"):
    """One row; a rail of None is blank."""
    rails = "".join(f",{('' if value is None else value):>9}" for value in mw)
    return f"{t_us:16d}{rails},{status:>12s}\n"


def write_log(path, samples, source=None, boot_id="boot-1"):
    """A log of one segment from (t_us, mw) pairs, or (t_us, None) for a failed read; gives its
    path.
    """
    with open(path, "w") as file:
        file.write(header(source, boot_id))
        for t_us, *mw in samples:
            file.write(row(t_us, *mw, status="EAGAIN" if mw[0] is None else "ok"))
    return str(path)
