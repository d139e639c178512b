"""The names that a spec may use for sources, methods, models and data sets."""

from typing import Any, List, Mapping, Type

from joulebird.baselines import DATASETS, METHODS, MODELS
from joulebird.devices import SOURCES
from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError, SourceError

TABLES: Mapping[str, Mapping[str, str]] = {
    "source": SOURCES,
    "method": METHODS,
    "model": MODELS,
    "dataset": DATASETS,
}


def names(kind: str) -> List[str]:
    """Return the registered names of a kind: "source", "method", "model" or "dataset"."""
    return list(TABLES[kind])


def dotted(kind: str, name: str) -> str:
    """Return the dotted path behind a name. Raises HarnessError with the nearest name.

    >>> dotted("method", "eb-train")
    'joulebird.baselines.methods.eb_train:eb_train'
    """
    return registry.dotted(TABLES[kind], kind, name, _error(kind))


def load(kind: str, name: str) -> Any:
    """Return the object behind a name. Raises HarnessError if it or a package is missing."""
    return registry.find(TABLES[kind], kind, name, _error(kind))


def _error(kind: str) -> Type[HarnessError]:
    return SourceError if kind == "source" else HarnessError
