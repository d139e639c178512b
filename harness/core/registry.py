"""Find a source, method, model, data set or report by its registered name, or by a dotted path of the user's own."""

import difflib
import importlib
import os
from typing import Any, Dict, List

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.process import search_last

# what a user calls it -> the table that knows it
TABLES = {
    "source": "joulebird.devices:SOURCES",
    "method": "joulebird.baselines:METHODS",
    "model": "joulebird.baselines:MODELS",
    "dataset": "joulebird.baselines:DATASETS",
    "report": "joulebird.reports:REPORTS",
}


def names(table: str) -> List[str]:
    """The registered names of one kind ("source", "method", "model", "dataset", "report"), in the registry's order."""
    return list(_table(table))


def dotted(table: str, name: str) -> str:
    """The dotted path "package.module:attribute" behind a name; a dotted path is itself. Raises HarnessError with the nearest name.

    >>> dotted("method", "eb-train")
    'joulebird.baselines.methods.eb_train:eb_train'
    >>> dotted("source", "mylab.meters:Fluke")
    'mylab.meters:Fluke'
    """
    known = _table(table)
    if name in known:
        return known[name]
    if ":" in name and "" not in name.partition(":"):
        return name
    raise HarnessError("unknown %s %r" % (table, name), nearest(name, known))


def load(table: str, name: str) -> Any:
    """The object behind a name or a dotted path. Raises HarnessError when it does not exist or what it needs is not installed."""
    return resolve(dotted(table, name), "%s %r" % (table, name))


def resolve(path: str, what: str = "") -> Any:
    """The attribute of a dotted path "package.module:attribute"; `what` names it in the error."""
    module_name, _, attribute = path.partition(":")
    module = import_module(module_name, what or repr(path))
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise HarnessError(
            "%s: %s has no %r" % (what or path, module_name, attribute),
            nearest(attribute, vars(module)),
        ) from None


def import_module(name: str, what: str) -> Any:
    """Import a module; raises HarnessError that says which package is missing."""
    search_last([os.getcwd()])  # so that a module beside the study is found, as `python -m` would
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = getattr(error, "name", None)
        if missing is None or missing == name or name.startswith(missing + "."):
            raise HarnessError(
                "%s: cannot import %s (%s)" % (what, name, error), "check the name, or PYTHONPATH"
            ) from None
        raise HarnessError(
            "%s needs the package %r, which is not installed" % (what, missing.partition(".")[0]),
            "pip install joulebird, or install that package",
        ) from None


def nearest(name: str, known: Any) -> str:
    """A hint that names the nearest known name, or all of them when none is near.

    >>> nearest("snipp", ["snip", "dense"])
    "did you mean 'snip'?"
    >>> nearest("x", ["snip", "dense"])
    'known: dense, snip'
    """
    public = sorted(key for key in known if not str(key).startswith("_"))
    close = difflib.get_close_matches(str(name), public, n=1)
    if close:
        return "did you mean %r?" % close[0]
    return "known: " + ", ".join(public[:20]) if public else ""


def _table(table: str) -> Dict[str, str]:
    return resolve(TABLES[table])
