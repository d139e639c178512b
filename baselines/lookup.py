"""From a registered name, or a dotted path of the user's own, to the thing itself."""

import difflib
import importlib
from typing import Any, Dict, Iterable

from joulebird.baselines.errors import SpecError


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names what is closest to `name`, or everything there is.

    >>> nearest("vgg61", ["vgg16", "preresnet101"])
    'did you mean vgg16?'
    >>> nearest("?", ["vgg16", "preresnet101"])
    'known: preresnet101, vgg16'
    """
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, 1)
    return f"did you mean {close[0]}?" if close else "known: " + ", ".join(known)


def find(table: Dict[str, str], kind: str, name: str) -> Any:
    """What `table` registers as `name`, or what the dotted path `name` ("package.module:attribute") points to.

    Raises SpecError, with the nearest known name, when there is none.
    """
    path = table.get(name, name)
    if not isinstance(path, str) or ":" not in path:
        raise SpecError(f"no {kind} is called {name!r}", nearest(name, table))
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SpecError(
            f"the {kind} {name!r} cannot be imported: {error}",
            "check the module and attribute names of the path",
        ) from error
