"""Every warning: one name, one text, one remedy.

Warnings are data: they are kept in the record and printed under the table.
"""

from typing import Any, Dict

from joulebird.harness.core.jsonfile import plain

# name -> (text with its {facts}, remedy)
WARNINGS = {
    "recorder_failed": (
        "the power recorder failed ({reason}); the energy of this stage is void",
        "see `joulebird sources`; delete the stage's folder to measure it again",
    ),
    "recorder_restarted": (
        "the power recorder failed ({reason}) and was started again; "
        "the gap counts against coverage",
        "see `joulebird sources`",
    ),
    "readings_failed": (
        "{failed} of {rows} readings failed, or lack a rail; they count against coverage",
        "see the last column of power.csv, and `joulebird sources`",
    ),
    "second_recorder_failed": (
        "source {source}, recorded beside the first, failed ({reason}); "
        "its log ends or is missing; the energy is not touched",
        "see `joulebird sources`",
    ),
    "second_recorder_restarted": (
        "source {source}, recorded beside the first, failed ({reason}) and was started again",
        "see `joulebird sources`",
    ),
    "second_readings_failed": (
        "{failed} of {rows} readings of source {source}, recorded beside the first, "
        "failed, or lack a rail",
        "see the last column of its log, and `joulebird sources`",
    ),
    "not_measured": (
        "no power source was recorded",
        "name one with --source; `joulebird sources` lists them",
    ),
    "resumed": (
        "trained in {attempts} attempts; work repeated after a kill is reported apart",
        "none needed",
    ),
    "restarted": (
        "attempt {attempt} began the stage again; earlier work is reported apart, as repeated: "
        "{reason}",
        "resume under the conditions of the first attempt",
    ),
    "conditions_changed": (
        "conditions changed while this was trained ({what})",
        "let nothing else set modes, clocks or threads; see the conditions in events.jsonl",
    ),
    "checkpoint_damaged": (
        "{file} was not used: {reason}",
        "check the disk or card: it may report data as written that it then loses",
    ),
    "log_set_aside": (
        "{file} is now {aside} ({reason}); its energy is not part of the repeated work",
        "keep one power source and all files of a stage while it is unfinished",
    ),
    "layer_emptied": (
        "{layers} would have lost every channel; the strongest one was kept",
        "use a smaller pruning ratio",
    ),
    "dead_layer": (
        "every weight of {layers} is pruned: nothing passes through",
        "use a smaller pruning ratio",
    ),
    "ticket_not_found": (
        "the mask had not settled after {epochs} epochs (wanted: {wanted} distances below "
        "{epsilon}; there were {have} in a row, up to {distance}); the last one was taken",
        "train longer, or use a larger epsilon",
    ),
    "not_retrained": (
        "the search took all {epochs} epochs of the schedule: the ticket was cut and not retrained",
        "train longer, use a larger epsilon, or retrain the whole schedule (restart)",
    ),
    "zero_scores": (
        "only {scored_above_zero} weights have a score above zero, and {kept} are kept",
        "score on a larger batch",
    ),
    "throttled": (
        "the board held itself back while this was measured: {by}",
        "cool it, or use a lower power mode",
    ),
    "mode_changed": (
        "the power mode changed from {before} to {after} while this was measured",
        "keep one mode (`sudo nvpmodel -m 0`) and run again",
    ),
    "limits_changed": (
        "clock limits or online cores changed while this was measured ({what})",
        "let nothing else set clocks; see `joulebird doctor`",
    ),
    "foreign_load": (
        "the machine did other work while this was measured ({what})",
        "stop the other work and measure again: delete the folder of the stage",
    ),
    "shared": (
        "another measurement ran beside this for {seconds} s (process {pid}: {command}): "
        "the joules are the machine's, not this stage's alone",
        "measure one thing at a time; delete the stage's folder to measure it again",
    ),
    "swapped": (
        "{pages} pages were swapped while this was measured",
        "use a smaller batch, or close other programs",
    ),
    "supply_sagged": (
        "{rail} fell from {before_v} to {after_v} V under load ({percent} %)",
        "use a stronger supply and a thicker, shorter cable",
    ),
    "health_unknown": (
        "the board's temperatures, clocks and supply could not be followed ({reason})",
        "see `joulebird doctor`",
    ),
    "result_damaged": (
        "{file} of the finished stage {stage} was given up ({reason}); the stage was done again",
        "check the disk or card; the repeated work is reported apart",
    ),
    "rebooted": (
        "the machine was restarted in the middle of this stage",
        "none needed: boot_id keeps the clocks apart",
    ),
}

NO_CHECKPOINT = "check the disk or card, and that nothing deletes checkpoints"  # for "restarted"


def warning(name: str, facts: Dict[str, Any]) -> Dict[str, Any]:
    """Return a warning as the record holds it: its name, facts, text and remedy.

    A method may bring a name, `text` and `remedy` of its own.

    >>> warning("resumed", {"attempts": 2})["text"]
    'trained in 2 attempts; work repeated after a kill is reported apart'
    """
    text, remedy = WARNINGS.get(name, (name.replace("_", " "), ""))
    filled = {"text": fill(text, facts), "remedy": remedy}
    return dict(plain(dict(filled, **facts)), name=name)


def fill(text: str, facts: Dict[str, Any]) -> str:
    """Return the text with its facts put in; a missing fact stays visible as its name.

    >>> fill("lost {count} rows of {file}", {"count": 3})
    'lost 3 rows of {file}'
    """
    for name, value in facts.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text
