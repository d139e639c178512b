"""Every warning: one name, one text, one remedy. Warnings are data: kept in the record, printed under the table."""
from typing import Any, Dict, NamedTuple

from harness.events import plain


class Warning_(NamedTuple):
    """What a warning says ({fact} is put in) and what to do about it."""

    text: str
    remedy: str


WARNINGS = {
    "recorder_failed": Warning_("the power recorder failed ({reason}); the energy of this stage is void",
                                "see `joulebird sources`; delete the stage's folder to measure it again"),
    "not_measured": Warning_("no power source was recorded", "name one with --source; `joulebird sources` lists them"),
    "resumed": Warning_("trained in {attempts} attempts; what was repeated after a kill is reported apart", "none needed"),
    "layer_emptied": Warning_("a layer would have lost every channel; its strongest one was kept", "use a smaller pruning ratio"),
    "no_ticket": Warning_("no early ticket was found; the mask of the last epoch was taken", "train longer, or use a larger epsilon"),
    "throttled": Warning_("the board throttled while this was measured", "cool it, or use a lower power mode"),
    "mode_changed": Warning_("the power mode changed while this was measured", "keep one mode (`sudo nvpmodel -m 0`) and run again"),
    "rebooted": Warning_("the machine was restarted in the middle of this stage", "none needed: clocks are told apart by boot_id"),
}


def warning(name: str, facts: Dict[str, Any]) -> Dict[str, Any]:
    """A warning as the record holds it: its name, facts, text and remedy. A method may bring a name, `text` and `remedy` of its own.

    >>> warning("resumed", {"attempts": 2})["text"]
    'trained in 2 attempts; what was repeated after a kill is reported apart'
    """
    known = WARNINGS.get(name, Warning_(name.replace("_", " "), ""))
    filled = dict(text=fill(known.text, facts), remedy=known.remedy)
    return dict(plain(dict(filled, **facts)), name=name)


def fill(text: str, facts: Dict[str, Any]) -> str:
    """The text with its facts put in; a fact that was not given stays visible as its name.

    >>> fill("lost {count} rows of {file}", {"count": 3})
    'lost 3 rows of {file}'
    """
    for name, value in facts.items():
        text = text.replace("{%s}" % name, str(value))
    return text
