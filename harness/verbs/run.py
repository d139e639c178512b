"""joulebird run STUDY|SPEC: run the unfinished runs of a study.

The same command continues after any interruption.

A STUDY is a TOML file or the name of an included one (demo, smoke, table1 to table4, figure1,
figure2, early-winning); a SPEC is a JSON file with one run or a list of runs:
    {"method": "eb-train", "model": "vgg16", "dataset": "digits", "prune_ratio": 0.5,
     "options": {"epsilon": 0.1}}
"""

import importlib.util
import os
import sys
from typing import Any, List

from joulebird.baselines import METHODS
from joulebird.harness.cli.arguments import Namespace, changed, own
from joulebird.harness.cli.output import answer, as_json, plural, put
from joulebird.harness.cli.progress import Progress
from joulebird.harness.core import registry
from joulebird.harness.core.errors import TRAINING, HarnessError
from joulebird.harness.core.records import read_run
from joulebird.harness.power.sources import choose_all, recorders_for
from joulebird.harness.runs.conditions import check_source
from joulebird.harness.runs.options import read_method
from joulebird.harness.runs.rundir import split
from joulebird.harness.runs.spec import RunSpec, read_specs

EXAMPLES = """examples:
  joulebird run smoke                          two short runs, to see that all works
  joulebird run table2 --data-dir ~/data -n    the runs of Table 2 that are unfinished here
"""


def desk() -> Any:
    """Return the part that runs studies on boards; None on a board, which has no such part."""
    if sys.version_info < (3, 11) or importlib.util.find_spec("joulebird.harness.host") is None:
        return None
    from joulebird.harness.host.boards import run_study

    return run_study


ARGUMENTS = (
    changed("STUDY", nargs="?"),
    own("--download", action="store_true", help="fetch a data set that is not there"),
    own(
        "--only",
        action="append",
        metavar="ID",
        help="run only this run of the study (`joulebird plan --ids` lists them)",
    ),
    own(
        "--lock",
        metavar="FILE",
        default="",
        help="lock this file instead of the machine: for instance one for each GPU of a cluster's "
        "node (each training adds to the other's energy)",
    ),
    own(
        "--wait",
        action="store_true",
        help="when another training holds this machine or the board, wait instead of ending with "
        "code 75",
    ),
    own(
        "--restart",
        action="store_true",
        help="begin a stage again that was killed under other conditions (power mode, clocks, "
        "threads, torch, code, sensor); without a terminal that is done unasked",
    ),
    own("-n", "--dry-run", action="store_true", help="list the unfinished runs, and run nothing"),
    own("--list", action="store_true", help="list the methods and their options"),
    own(
        "--prepare",
        nargs="?",
        const="",
        metavar="MODE",
        help="put a Jetson into power mode MODE (a name or number; "
        "default: the present one), lock its clocks and fan, wait until its temperature "
        "has settled; restore all of them at the end",
    ),
    changed(
        "--source",
        help="power source: a name of `joulebird sources`, or module:Class (default: the best one "
        "here); repeat it to record further ones beside the first; `none` records nothing",
    ),
    *("--source-option", "--period", "--idle", "--data-dir"),
    *("--runs", "--form", "--json", "--output", "--quiet"),
    lambda: desk().ARGUMENTS if desk() is not None else (),
)


def main(args: Namespace) -> int:
    """Run the study. Raises HarnessError (exit code 5) when a run failed."""
    if args.list:
        return list_methods(args)
    if not args.study:
        raise HarnessError(
            "name a study or a spec",
            "for instance `joulebird run smoke`; `joulebird run --help` shows more",
        )
    specs = only(load_specs(args.study), args.only or [])
    args.runs = args.runs or (desk().chosen.runs_folder() if desk() is not None else "runs")
    done, ahead = split(args.runs, specs)
    if args.dry_run:
        return list_runs(args, done, ahead)
    boards = desk().chosen.names(args) if desk() is not None else []
    failures = desk().run(args, specs, boards) if boards else run_here(args, specs, ahead)
    if args.form == "json":
        done = [spec for spec in specs if spec not in dict(failures)]
        records = [read_run(args.runs, spec.id)._asdict() for spec in done]
        put(as_json({"runs": records}), args.output)
    if failures:
        spec, error = failures[0]
        raise HarnessError(
            f"{len(failures)} of {plural(len(specs), 'run')} failed; the first: {spec.id}: {error}",
            getattr(error, "hint", "") or "the other runs are done",
            TRAINING,
        )
    return 0


def run_here(args: Namespace, specs: List[RunSpec], ahead: List[RunSpec]) -> List[Any]:
    """Run the unfinished runs on this machine; return the failures."""
    progress = Progress(quiet=args.quiet)
    if ahead:
        return work(args, specs, ahead, progress)
    finished = [name for spec in specs for name in read_run(args.runs, spec.id).stages]
    choices = choose_all(args.source, args.source_option) if args.source else []
    if choices and choices[0].definition:
        check_source(args.runs, finished, {"definition": choices[0].definition}, {})
    progress.say(f"all runs are done ({len(specs)}): {args.runs}")
    unmeasured = [spec for spec in specs if not read_run(args.runs, spec.id).source]
    if unmeasured:
        progress.say(
            f"  runs without energy, for want of a power source: {len(unmeasured)}. "
            f"To measure them, delete {os.path.join(args.runs, 'stages')}"
        )
    return []


def work(
    args: Namespace, specs: List[RunSpec], ahead: List[RunSpec], progress: Progress
) -> List[Any]:
    """Run the unfinished runs in one session; return the failures."""
    from joulebird.harness.runs.prepare import preparation
    from joulebird.harness.runs.session import Session, run_all

    choices = choose_all(args.source, args.source_option)
    default_s = 60.0 if choices and choices[0].real else 2.0
    prepare = None if args.prepare is None else preparation(args.prepare, progress.say)
    with Session(
        args.runs,
        recorders_for(choices, args.period),
        progress,
        data_dir=args.data_dir,
        download=args.download,
        idle_s=default_s if args.idle is None else args.idle,
        lock=args.lock,
        wait=args.wait,
        prepare=prepare,
        restart=args.restart,
    ) as session:
        progress.say(f"{len(ahead)} of {plural(len(specs), 'run')} to do, into {args.runs}")
        progress.say(
            "power source: %s" % (", ".join(map(describe_choice, choices)) or describe_choice(None))
        )
        _, failures = run_all(session, ahead, load_specs(args.study))
    progress.close_line()
    return failures


def describe_choice(choice: Any) -> str:
    """Return one line about the source, which says so when nothing is measured."""
    if choice is None:
        return "none (energies will be missing)"
    return (
        choice.name
        if choice.real
        else f"{choice.name} (no sensor behind it: "
        "its numbers are not measurements of this machine)"
    )


def load_specs(word: str) -> List[RunSpec]:
    """Return the runs of a study or spec. Raises HarnessError that names file and field."""
    if not word.endswith(".json") and sys.version_info < (3, 11):
        raise HarnessError(
            f"{word}: studies are read by the desk's Python (3.11 or newer)",
            "give a board a spec: a JSON file",
        )
    if not word.endswith(".json"):
        from joulebird.harness.host.studies import study

        return study.load(word)
    return read_specs(word)


def only(specs: List[RunSpec], wanted: List[str]) -> List[RunSpec]:
    """Return the specs with these ids, without ids all. Raises HarnessError with the nearest id."""
    known = [spec.id for spec in specs]
    for name in wanted:
        if name not in known:
            raise HarnessError(f"no run {name!r} in this study", registry.nearest(name, known))
    return [spec for spec in specs if not wanted or spec.id in wanted]


def list_runs(args: Namespace, done: List[RunSpec], ahead: List[RunSpec]) -> int:
    """Print the finished and the unfinished runs."""
    ids = {"done": [spec.id for spec in done], "ahead": [spec.id for spec in ahead]}
    words = {"done": "done", "ahead": "to do"}
    return answer(args, ids, "\n".join(f"{words[key]:8} {id}" for key in ids for id in ids[key]))


def list_methods(args: Namespace) -> int:
    """Print every registered method with its summary and options."""
    methods = {name: read_method(path) for name, path in METHODS.items()}
    texts = {
        name: [method.summary, *(option.text() for option in method.options.values())]
        for name, method in methods.items()
    }
    lines = ("\n    ".join([name, *about]) for name, about in texts.items())
    return answer(args, {"methods": texts}, "\n".join(lines))
