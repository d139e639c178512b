"""joulebird plan STUDY: runs, shared stages, FLOPs, hours and kJ of a study, before paying.

Hours and energies are learnt from the finished runs of --runs and --from that this machine (or the
board of --board) made: a study of a few epochs is enough to know an epoch of the dense network.
Other costs are shown as unknown. Unfinished runs need torch, which names their stages and counts
their FLOPs; --ids and finished studies do not.
"""

import importlib.util
import platform
from typing import Any, Dict, List, Tuple

from joulebird.devices.board.identify import serial
from joulebird.harness.cli.arguments import BOARDS, Namespace, own
from joulebird.harness.cli.output import answer, plural
from joulebird.harness.cli.progress import duration
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import missing_package
from joulebird.harness.host.boards.chosen import agent, names, runs_folder
from joulebird.harness.host.studies.plan import Interval, Plan, Planned, make_plan
from joulebird.harness.runs.backend import Backend
from joulebird.harness.runs.rundir import split
from joulebird.harness.verbs.run import load_specs
from joulebird.reports.runs.records import (
    SOFTWARE,
    FinishedRun,
    load,
    one_scope,
    unique_stages,
)
from joulebird.reports.tables.table import si, worded

EXAMPLES = """examples:
  joulebird plan table2 --board tx2
  joulebird plan table2 --from smoke-runs
  joulebird plan table2 --ids | parallel -j1 joulebird run table2 --only {}
"""
LEARNT = ("power mode", "kind", "source", "scope", "rails", *SOFTWARE)  # alike in all of the past
LISTED = 40  # more stages than these are printed as one line for each name


ARGUMENTS = (
    "STUDY",
    own(
        "--from",
        dest="past",
        action="append",
        default=[],
        metavar="DIR",
        help="learn from these finished runs too",
    ),
    own("--ids", action="store_true", help="print only the ids of the unfinished runs"),
    BOARDS,
    *("--runs", "--form", "--json", "--output"),
)


def main(args: Namespace) -> int:
    """Plan and print."""
    specs = load_specs(args.study)
    args.runs = args.runs or runs_folder()
    done, ahead = split(args.runs, specs)
    if args.ids:
        ids = [spec.id for spec in ahead]
        return answer(args, {"ids": ids}, "\n".join(ids))
    if ahead and importlib.util.find_spec("torch") is None:
        raise missing_package("a plan of unfinished runs", "torch")
    plan = make_plan(specs, args.runs, [spec.id for spec in done], Backend(), past_runs(args))
    return answer(args, facts(plan), as_text(plan))


def past_runs(args: Namespace) -> List[FinishedRun]:
    """Return the finished runs of this machine, or of the boards that are meant.

    Raises HarnessError for a folder of --from without any, and for runs that no table may mix.
    """
    try:
        here = load([args.runs])
    except HarnessError:
        here = []  # nothing was run yet, which is when one plans
    found = here + (load(args.past) if args.past else [])
    there = [agent(name).call("status")["machine"] for name in names(args)] if found else []
    machines = there or [{"hostname": platform.node(), "board_serial": serial()}]
    past = [run for run in found if any(_made_by(machine, run) for machine in machines)]
    try:
        one_scope(unique_stages(past), LEARNT)
    except HarnessError as error:
        raise HarnessError(
            error.message, "learn from some of them: --runs DIR, --from DIR"
        ) from None
    return past


def _made_by(machine: Dict[str, Any], run: FinishedRun) -> bool:
    """Return whether a machine made a run: by serial number where both are known, else by host."""
    environment = run.stages[-1].record.environment
    serials = [environment.get("board_serial"), machine.get("board_serial")]
    hosts = [environment.get("host"), machine["hostname"]]
    one, other = serials if all(serials) else hosts
    return bool(one == other)


def facts(plan: Plan) -> Dict[str, Any]:
    """Return the plan as JSON values."""
    return {
        "runs": {
            run: {"done": run in plan.finished, "stages": list(stages)}
            for run, stages in plan.runs.items()
        },
        "stages": {
            stage.id: {
                "name": stage.name,
                "function": stage.function,
                "runs": list(stage.runs),
                "done": stage.done,
                **{name: list(values) for name, values in stage.cost._asdict().items()},
            }
            for stage in plan.stages
        },
        "ahead": {
            **{what: list(plan.total(what)) for what in ("seconds", "joules", "flops")},
            "words": list(plan.words),
        },
    }


def as_text(plan: Plan) -> str:
    """Return the plan for people."""
    shared = [stage for stage in plan.stages if len(stage.runs) > 1]
    ahead = [stage for stage in plan.stages if not stage.done]
    lines = [
        f"runs     {len(plan.runs)}, of which {len(plan.finished)} are done",
        f"stages   {len(plan.stages)}, of which {len(plan.stages) - len(ahead)} are done; "
        f"{len(shared)} are shared, which saves {sum(len(stage.runs) - 1 for stage in shared)}",
        "ahead",
    ]
    lines += _each(ahead) if len(ahead) <= LISTED else _by_name(plan, ahead)
    lines += [
        f"FLOPs    {_interval(plan.total('flops'), lambda value: f'{value:.3g}')}",
        f"time     {_interval(plan.total('seconds'), duration)}",
        f"energy   {_joules(plan.total('joules'), plan.words)}",
    ]
    if None in plan.total("joules"):
        lines.append(
            "unknown: no epoch of this network was recorded; a study of one epoch here shows it "
            "(joulebird plan --from DIR)"
        )
    return "\n".join(lines)


def _each(stages: List[Planned]) -> List[str]:
    return [
        _line(
            stage.name + (f" (in {len(stage.runs)} runs)" if len(stage.runs) > 1 else ""),
            stage.id,
            stage.cost.seconds,
            stage.cost.joules,
            stage.cost.words,
        )
        for stage in stages
    ]


def _by_name(plan: Plan, stages: List[Planned]) -> List[str]:
    alike = {
        name: plan._replace(stages=tuple(stage for stage in stages if stage.name == name))
        for name in dict.fromkeys(stage.name for stage in stages)
    }
    return [
        _line(
            name,
            f"{plural(len(part.stages), 'stage')} (--json lists them)",
            part.total("seconds"),
            part.total("joules"),
            part.words,
        )
        for name, part in alike.items()
    ]


def _line(
    name: str, stages: str, seconds: Interval, joules: Interval, words: Tuple[str, ...]
) -> str:
    costs = f"{_interval(seconds, duration)}, {_joules(joules, words)}"
    return f"  {name:22} {stages:32} {costs}"


def _joules(interval: Interval, words: Tuple[str, ...]) -> str:
    return worded(
        _interval(interval, lambda value: si(value, "J")),
        words if interval.high or interval.low else (),
    )


def _interval(interval: Interval, show: Any) -> str:
    if interval.high is None:
        return "unknown" if not interval.low else f"at least {show(interval.low)}"
    low, high = show(interval.low), show(interval.high)
    return high if low == high else f"at most {high}" if not interval.low else f"{low} to {high}"
