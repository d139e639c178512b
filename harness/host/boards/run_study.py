"""`joulebird run --board`: one board is worked through here, several by a fleet."""

import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from joulebird.harness.cli.arguments import BOARDS, Namespace, own
from joulebird.harness.cli.progress import Progress
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host import config
from joulebird.harness.host.boards import chosen as chosen
from joulebird.harness.host.boards import fleet
from joulebird.harness.host.boards.follow import EVERY_S
from joulebird.harness.host.boards.one_board import BoardRun, Wishes
from joulebird.harness.host.boards.pick import pick
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.ssh import Link
from joulebird.harness.power.sources import choose_all, recorders_for
from joulebird.harness.runs.rundir import split
from joulebird.harness.runs.spec import RunSpec

FLEET_PATIENCE_S = 600.0  # of silence, after which the others of a fleet take a board's runs

# of `joulebird run`, for boards
ARGUMENTS = (
    BOARDS,
    own("--pick", action="store_true", help="run everything on the first board that is free"),
    own(
        "--meter",
        metavar="S",
        help="record a power meter at this desk: a name of `joulebird sources`, or module:Class",
    ),
    own(
        "--meter-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the meter",
    ),
    own(
        "--signature",
        type=float,
        default=0.0,
        metavar="S",
        help="let the board play a load pattern before and after, S seconds a digit (14 digits): "
        "it shows the lag of the meter (2 for a meter with one reading a second)",
    ),
    own(
        "--every",
        type=float,
        metavar="S",
        default=EVERY_S,
        help="look at the board no more often than this "
        "(default: %(default)g s; each look costs it energy)",
    ),
    own(
        "--patience",
        type=float,
        metavar="S",
        help="give up a board that does not answer for S seconds "
        f"(default: never; with several boards {FLEET_PATIENCE_S:g} s)",
    ),
)


def run(args: Namespace, specs: Sequence[RunSpec], boards: Sequence[str]) -> list[Any]:
    """Bring all runs to their end on these boards; return no failures. Raises HarnessError."""
    progress = Progress(quiet=args.quiet)
    ahead = split(args.runs, list(specs))[1]
    if ahead and args.meter and len(boards) > 1:
        several = "--meter measures one board, and several are named"
        raise HarnessError(several, "name the board that the meter is on")
    found = [config.load().board(name) for name in boards]
    if ahead and len(found) == 1:
        one_board(args, specs, found[0], progress, float("inf"))
    elif ahead and (args.pick or len(ahead) == 1):
        work = partial(one_board, args, specs, progress=progress, patience_s=FLEET_PATIENCE_S)
        pick(found, work, progress.say, args.wait)
    elif ahead:
        fleet.run(args, ahead, found, progress.say)
    progress.say(f"all runs are done ({len(specs)}): {args.runs}")
    if args.meter:
        from joulebird.harness.host.desk_meter.attach import attach

        attach(Path(args.runs), [spec.id for spec in specs], progress.say)
    return []


def one_board(
    args: Namespace,
    specs: Sequence[RunSpec],
    board: config.Board,
    progress: Progress,
    patience_s: float,
) -> None:
    """Bring all runs to their end on one board; --patience replaces `patience_s`."""
    wishes = Wishes(
        words=fleet.words(args, board),
        data_dir=args.data_dir,
        wait=args.wait,
        every_s=max(1.0, args.every),
        patience_s=patience_s if args.patience is None else args.patience,
    )
    there, root = Agent(Link(board)), Path(args.runs)
    with contextlib.ExitStack() as stack:
        if args.meter:
            from joulebird.harness.host.desk_meter.attach import DeskMeter

            meter = recorders_for(choose_all([args.meter], args.meter_option))
            stack.enter_context(
                DeskMeter(there, root, meter, progress.say, wishes.every_s, args.signature)
            )
        BoardRun(there, root, progress.say, wishes).bring_to_end(specs)
