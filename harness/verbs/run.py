"""joulebird run STUDY|SPEC: run what is not done yet. Give the same command again to continue after any interruption.

A STUDY is a TOML file or the name of an included one (demo, smoke, table1 to table4, figure1, figure2, early-winning); a SPEC is a JSON
file with one run or a list of runs:
    {"method": "eb-train", "model": "vgg16", "dataset": "digits", "prune_ratio": 0.5, "options": {"epsilon": 0.1}}
"""

import argparse
import importlib
import json
import os
import sys
from typing import Any, List

from joulebird.harness import registries
from joulebird.harness.cli.progress import Progress
from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.records import read_run
from joulebird.harness.power.sources import choose_all, meters_for
from joulebird.harness.runs.options import read_method
from joulebird.harness.runs.rundir import LOCK, split
from joulebird.harness.runs.spec import RunSpec, read_specs

EXAMPLES = """examples:
  joulebird run smoke                          two short runs, to see that all works
  joulebird run table2 --data-dir ~/data -n    what the study of Table 2 would run here
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird run`."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "study",
        nargs="?",
        metavar="STUDY|SPEC",
        help="a study (TOML, or the name of an included one), or a spec (JSON)",
    )
    parser.add_argument(
        "--runs",
        metavar="DIR",
        help="folder of the runs (default: JOULEBIRD_RUNS, the configuration, or runs)",
    )
    parser.add_argument(
        "--data-dir", "--data", metavar="DIR", help="folder that holds the data sets"
    )
    parser.add_argument(
        "--download", action="store_true", help="fetch a data set that is not there"
    )
    parser.add_argument(
        "--idle",
        type=seconds,
        metavar="S",
        help="record the idle machine so long before and after (default: 60 with "
        "a real source, else 2)",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="ID",
        help="of the study's runs only this one (`joulebird plan --ids` lists them)",
    )
    parser.add_argument(
        "--lock",
        metavar="NAME",
        default=LOCK,
        help="lock only this name in the folder of the runs, not all of it: for "
        "runs without a stage in common, on a cluster (on one machine they would spoil each other's energy)",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be run, and run nothing"
    )
    parser.add_argument("--list", action="store_true", help="list the methods and their options")
    parser.add_argument("--json", action="store_true", help="print the records as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but warnings")
    parser.add_argument(
        "--prepare",
        nargs="?",
        const="",
        metavar="MODE",
        help="put a Jetson into power mode MODE (a name or number; "
        "default: the present one), lock its clocks and fan, wait until its temperature has settled; put back at the end",
    )
    add_source(parser)
    if desk() is not None:
        desk().add_arguments(parser)


def desk() -> Any:
    """The part that runs studies on boards (`joulebird.harness.host.boards.run_boards`); None on a board, which has no such part."""
    if sys.version_info < (3, 11):
        return None
    try:
        return importlib.import_module("joulebird.harness.host.boards.run_boards")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("joulebird.harness.host"):
            raise
        return None


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a power source."""
    parser.add_argument(
        "--source",
        action="append",
        metavar="S",
        help="power source: a name of `joulebird sources`, module:Class, or none "
        "(default: the best one here); further ones are recorded beside it, to compare",
    )
    parser.add_argument(
        "--source-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the source; of a further one: SOURCE.NAME=VALUE",
    )
    parser.add_argument(
        "--period",
        type=period,
        metavar="S",
        help="mean seconds between two readings (default: what suits the source)",
    )


def seconds(text: str) -> float:
    """A length of time from the command line, 0 or more."""
    value = float(text)
    if not 0 <= value < 1e6:
        raise ValueError(text)
    return value


def period(text: str) -> float:
    """A sampling period from the command line, above 0."""
    value = float(text)
    if not 0 < value < 1e3:
        raise ValueError(text)
    return value


def main(args: argparse.Namespace) -> int:
    """Run the study; gives 0, or 5 when a run failed."""
    if args.list:
        sys.stdout.write(list_methods())
        return 0
    if not args.study:
        raise HarnessError(
            "name a study or a spec",
            "for instance `joulebird run smoke`; `joulebird run --help` shows more",
        )
    specs = only(load_specs(args.study), args.only or [])
    args.runs = args.runs or (desk().runs_folder() if desk() is not None else "runs")
    done, ahead = split(args.runs, specs)
    if args.dry_run:
        return say_plan(args, done, ahead)
    boards = desk().names(args) if desk() is not None else []
    if boards:
        desk().run(args, specs, boards)
        if args.json:
            print_records(args.runs, specs)
        return 0
    progress = Progress(quiet=args.quiet)
    failures = work(args, specs, ahead, progress) if ahead else []
    if not ahead:
        progress.say("all %d runs are done: %s" % (len(specs), args.runs))
        unmeasured = [spec.id for spec in specs if not read_run(args.runs, spec.id).source]
        if unmeasured:
            progress.say(
                "  %d of them without energy, for no power source was recorded: to measure them, delete %s"
                % (len(unmeasured), os.path.join(args.runs, "stages"))
            )
    if args.json:
        print_records(
            args.runs, [spec for spec in specs if spec not in [one for one, _ in failures]]
        )
    if failures:
        raise HarnessError(
            "%d of %d runs failed; the first: %s: %s"
            % (len(failures), len(specs), failures[0][0].id, failures[0][1]),
            getattr(failures[0][1], "hint", "") or "the other runs are done",
            5,
        )
    return 0


def work(
    args: argparse.Namespace, specs: List[RunSpec], ahead: List[RunSpec], progress: Progress
) -> List[Any]:
    """Run what is ahead in one session; gives the failures."""
    from joulebird.harness.runs.batch import run_all
    from joulebird.harness.runs.prepare import preparation
    from joulebird.harness.runs.session import Session

    choices = choose_all(args.source, args.source_option)
    idle_s = args.idle
    if idle_s is None:
        idle_s = 60.0 if choices and choices[0].real else 2.0
    prepare = None if args.prepare is None else preparation(args.prepare, progress.say)
    with Session(
        args.runs,
        meters_for(choices, args.period),
        progress,
        data_dir=args.data_dir,
        download=args.download,
        idle_s=idle_s,
        lock=args.lock,
        prepare=prepare,
    ) as session:
        progress.say("%d of %d runs to do, into %s" % (len(ahead), len(specs), args.runs))
        progress.say(
            "power source: %s" % (", ".join(map(describe_choice, choices)) or describe_choice(None))
        )
        _, failures = run_all(session, ahead)
    progress.close_line()
    return failures


def describe_choice(choice: Any) -> str:
    """One line that says what is measured, and plainly when it is not a measurement."""
    if choice is None:
        return "none (energies will be missing)"
    return (
        choice.name
        if choice.real
        else f"{choice.name} (no sensor behind it: its numbers are not measurements of this machine)"
    )


def load_specs(word: str) -> List[RunSpec]:
    """The runs of a study or spec. Raises HarnessError that names file and field; studies are read by the host's Python only."""
    if not word.endswith(".json") and sys.version_info < (3, 11):
        raise HarnessError(
            f"{word}: studies are read by the host's Python (3.11 or newer)",
            "give a board a spec: a JSON file",
        )
    if not word.endswith(".json"):
        return registry.import_module(
            "joulebird.harness.host.studies.study", "reading a study"
        ).load(word)
    return read_specs(word)


def only(specs: List[RunSpec], wanted: List[str]) -> List[RunSpec]:
    """The specs with these ids, all of them when none is named. Raises HarnessError with the nearest id for one that is not there."""
    known = [spec.id for spec in specs]
    for name in wanted:
        if name not in known:
            raise HarnessError(f"no run {name!r} in this study", registry.nearest(name, known))
    return [spec for spec in specs if not wanted or spec.id in wanted]


def say_plan(args: argparse.Namespace, done: List[RunSpec], ahead: List[RunSpec]) -> int:
    """Print what is done and what would be run."""
    if args.json:
        print(
            json.dumps(
                {
                    "format": 1,
                    "done": [spec.id for spec in done],
                    "ahead": [spec.id for spec in ahead],
                },
                indent=1,
            )
        )
    else:
        for spec in done + ahead:
            print("%-8s %s" % ("done" if spec in done else "to do", spec.id))
    return 0


def print_records(root: str, specs: List[RunSpec]) -> None:
    """Print the finished runs' records as one JSON object."""
    print(
        json.dumps(
            {"format": 1, "runs": [read_run(root, spec.id)._asdict() for spec in specs]},
            indent=1,
            sort_keys=True,
        )
    )


def list_methods() -> str:
    """Every registered method with its summary and options."""
    lines = []
    for name in registries.names("method"):
        method = read_method(registries.dotted("method", name))
        lines.append(f"{name}\n    {method.summary}")
        lines += ["    " + option.text() for option in method.options.values()]
    return "\n".join(lines) + "\n"
