"""Several boards, through Snakemake.

One job runs on a board; a failed run stops no other; the same command repeats the unfinished runs.

The files written here (`runs/fleet.json`, the specs, the groups) are all that a plain call of
snakemake with the `Snakefile` beside this file needs.
"""

import argparse
import importlib.util
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from joulebird.harness.core import records
from joulebird.harness.core.errors import TRAINING, HarnessError
from joulebird.harness.core.files import write_whole
from joulebird.harness.core.process import python_command
from joulebird.harness.host.config import Board
from joulebird.harness.runs.rundir import split
from joulebird.harness.runs.spec import RunSpec

# Enough that the last ones come out even, and that a board that dies takes little with it.
JOBS_A_BOARD = 3
SNAKEFILE = Path(__file__).with_name("Snakefile")


def run(
    args: argparse.Namespace,
    specs: Sequence[RunSpec],
    boards: Sequence[Board],
    say: Callable[[str], None],
) -> int:
    """Bring these runs to their end on these boards; return 0.

    Raises HarnessError (5) when some could not be finished.
    """
    program = snakemake()
    root = Path(args.runs).resolve()
    groups = packed(grouped(specs, str(root)), JOBS_A_BOARD * len(boards))
    prepare(root, groups, flags(args, boards))
    say(
        f"{len(specs)} runs in {len(groups)} groups that share stages, "
        f"on {len(boards)} boards: {', '.join(board.name for board in boards)}"
    )
    argv = [
        *program,
        "--snakefile",
        str(SNAKEFILE),
        "--configfile",
        str(root / "fleet.json"),
        "--directory",
        str(root),
        "--keep-going",
        "--cores",
        str(len(boards)),
        "--resources",
        f"board={len(boards)}",
        "--rerun-triggers",
        "mtime",
        "--rerun-incomplete",
    ]
    subprocess.run(
        argv + (["--quiet"] if args.quiet else []), stdin=subprocess.DEVNULL, stdout=sys.stderr
    )
    missing = split(str(root), list(specs))[1]
    if missing:
        first = missing[0].id
        raise HarnessError(
            f"{len(missing)} of {len(specs)} runs are not finished; the first: {first}: "
            f"{last_line(root, first, groups)}",
            f"see {args.runs}/{first}/fleet.log; the same command repeats only the unfinished runs",
            TRAINING,
        )
    return 0


def snakemake() -> list[str]:
    """Return the command. Raises HarnessError when it is not installed."""
    if importlib.util.find_spec("snakemake") is not None:
        return python_command("snakemake.cli:main")
    found = shutil.which("snakemake")
    if found is None:
        raise HarnessError(
            "several boards need Snakemake, which is not installed",
            "pip install 'joulebird[fleet]'; or without it, with GNU parallel: "
            "joulebird plan STUDY --ids | "
            "parallel -j2 joulebird run STUDY --board A --board B --only {}",
        )
    return [found]


def grouped(specs: Sequence[RunSpec], root: str) -> list[list[RunSpec]]:
    """Return the runs in groups that share no stage with another, the longest first.

    So no stage is trained on two boards.
    """
    stages = planned_stages(specs, root)
    groups: list[tuple[list[RunSpec], set[str]]] = []
    for spec in specs:
        mine = set(stages.get(spec.id, ()))
        touching = [group for group in groups if group[1] & mine]
        merged = (
            sum((group[0] for group in touching), []) + [spec],
            mine.union(*(group[1] for group in touching)),
        )
        groups = [group for group in groups if group not in touching] + [merged]
    groups.sort(key=lambda group: (-len(group[1]), group[0][0].id))
    return [group[0] for group in groups]


def packed(groups: Sequence[list[RunSpec]], count: int) -> list[list[RunSpec]]:
    """Return at most `count` groups, as even as can be.

    Each job costs a board its start and two idle measurements.

    >>> [sum(pack, []) for pack in [packed([[1, 2, 3], [4, 5], [6], [7]], 2)]]
    [[1, 2, 3, 7, 4, 5, 6]]
    """
    packs: list[list[RunSpec]] = [[] for _ in range(min(count, len(groups)))]
    for group in sorted(groups, key=len, reverse=True):
        min(packs, key=len).extend(group)
    return sorted(packs, key=len, reverse=True)


def planned_stages(specs: Sequence[RunSpec], root: str) -> dict[str, list[str]]:
    """Return the ids of the stages of each run.

    Return {} without torch, which names them; every run is then a group of its own.
    """
    if importlib.util.find_spec("torch") is None:
        return {}
    from joulebird.harness.runs.backend import Backend
    from joulebird.harness.runs.run import planned

    backend = Backend()
    return {spec.id: [stage.id for stage in planned(spec, root, backend)] for spec in specs}


def prepare(root: Path, groups: Sequence[Sequence[RunSpec]], words: Sequence[str]) -> None:
    """Write the input of Snakemake."""
    root.mkdir(parents=True, exist_ok=True)
    for group in groups:
        for spec in group:
            (root / spec.id).mkdir(exist_ok=True)
            records.write_json(str(root / spec.id / records.SPEC), spec.to_dict())
        _write(root / group[0].id / "group.json", [spec.to_dict() for spec in group])
    _write(
        root / "fleet.json",
        {
            "format": 1,
            "groups": [[spec.id for spec in group] for group in groups],
            "flags": shlex.join(words),
            "joulebird": shlex.join(python_command("joulebird.harness.cli.main:main")),
        },
    )


def flags(args: argparse.Namespace, boards: Sequence[Board]) -> list[str]:
    """Return the words of our command line for every job, for one board of these."""
    options = {
        "--board": [board.name for board in boards],
        "--pick": True,
        "--data-dir": args.data_dir and str(Path(args.data_dir).resolve()),
        "--idle": args.idle,
        "--period": args.period,
        "--every": args.every,
        "--patience": args.patience,
        "--source": args.source,
        "--source-option": args.source_option,
        f"--prepare={args.prepare}": args.prepare is not None,
        "--download": args.download,
        "--wait": args.wait,
    }
    return words_of(options)


def words(args: argparse.Namespace, board: Board) -> tuple[str, ...]:
    """Return the words of our command line for `joulebird run` on one board."""
    prepare = board.prepare if args.prepare is None else args.prepare
    options = {
        "--source": args.source or ([board.source] if board.source else []),
        "--source-option": args.source_option,
        "--period": args.period,
        "--idle": args.idle,
        "--download": args.download,
        f"--prepare={prepare}": prepare is not None,
    }
    return tuple(words_of(options))


def words_of(options: Mapping[str, Any]) -> list[str]:
    """Return options as words: a list repeats its option, None and False leave it out.

    >>> words_of({"--source": ["a", "b"], "--idle": 0.0, "--wait": True, "--pick": False})
    ['--source', 'a', '--source', 'b', '--idle', '0.0', '--wait']
    """
    pairs = [
        (option, value)
        for option, given in options.items()
        for value in (given if isinstance(given, list) else [given])
        if value is not None and value is not False
    ]
    return [str(word) for pair in pairs for word in pair if word is not True]


def last_line(root: Path, run_id: str, groups: Sequence[Sequence[RunSpec]]) -> str:
    """Return the last error in the log of a run, or of the run that leads its group."""
    leader = next(
        (group[0].id for group in groups if run_id in [spec.id for spec in group]), run_id
    )
    for name in (run_id, leader):
        path = root / name / "fleet.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        words = [line for line in lines if line.startswith("joulebird: ")]
        if words:
            return words[-1].partition(": ")[2]
    return "it was not begun"


def _write(path: Path, value: object) -> None:
    write_whole(str(path), json.dumps(value, indent=1) + "\n")
