"""Find an object by its registered name, or by the user's dotted path "module:attribute"."""

import ast
import contextlib
import difflib
import functools
import hashlib
import importlib.util
import os
from typing import Any, Dict, Iterable, List, Mapping, Type

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.process import search_last


def nearest(name: object, known: Iterable[object]) -> str:
    """Return a hint that names the nearest known name, or all of them when none is near.

    >>> nearest("snipp", ["snip", "dense"])
    "did you mean 'snip'?"
    >>> nearest("x", ["snip", "dense"])
    'known: dense, snip'
    """
    public = sorted(str(key) for key in known if not str(key).startswith("_"))
    close = difflib.get_close_matches(str(name), public, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return "known: " + ", ".join(public[:20]) if public else ""


def dotted(
    table: Mapping[str, str], kind: str, name: str, error: Type[HarnessError] = HarnessError
) -> str:
    """Return the dotted path behind a registered name; a dotted path is returned as it is.

    Raises `error` with the nearest name.

    >>> dotted({"eb-train": "methods.eb_train:eb_train"}, "method", "eb-train")
    'methods.eb_train:eb_train'
    >>> dotted({}, "source", "mylab.meters:Fluke")
    'mylab.meters:Fluke'
    """
    if name in table:
        return table[name]
    if isinstance(name, str) and all(name.partition(":")):
        return name
    raise error(f"unknown {kind} {name!r}", nearest(name, table))


def find(
    table: Mapping[str, str], kind: str, name: str, error: Type[HarnessError] = HarnessError
) -> Any:
    """Return the object behind a registered name or a dotted path.

    Raises `error` when it does not exist, or when a package that it needs is not installed.
    """
    return resolve(dotted(table, kind, name, error), f"{kind} {name!r}", error)


def resolve(path: str, label: str = "", error: Type[HarnessError] = HarnessError) -> Any:
    """Return the attribute of a dotted path; `label` names it in the error."""
    module_name, _, attribute = path.partition(":")
    module = import_module(module_name, label or repr(path), error)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise error(
            f"{label or path}: {module_name} has no {attribute!r}", nearest(attribute, vars(module))
        ) from None


def import_module(name: str, label: str, error: Type[HarnessError] = HarnessError) -> Any:
    """Import a module; raises `error` that names the missing package.

    A module in the current folder is found, but shadows nothing. Raises `error` also for any fault
    of a module of the user's own; one of ours is a bug and stays as it is.
    """
    search_last([os.getcwd()])
    if name.startswith("."):
        raise error(f"{label}: {name} is no absolute name", "write out the packages before it")
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        missing = getattr(problem, "name", None) or ""
        absent = isinstance(problem, ModuleNotFoundError)
        if absent and missing.partition(".")[0] not in ("", name.partition(".")[0]):
            raise missing_package(label, missing, error) from None
        raise error(
            f"{label}: cannot import {name} ({problem})", "check the name, or PYTHONPATH"
        ) from None
    except (Exception, SystemExit) as problem:
        if name.partition(".")[0] == "joulebird":
            raise
        raise error(
            f"{label}: cannot import {name} ({type(problem).__name__}: {problem})",
            f"`python3 -c 'import {name}'` shows where; mend that module",
        ) from None


def missing_package(
    label: str, missing: str, error: Type[HarnessError] = HarnessError
) -> HarnessError:
    """Return the error for a missing package, with the extra of joulebird that installs it."""
    package = missing.partition(".")[0]
    extra = EXTRAS.get(package)
    remedy = f"pip install 'joulebird[{extra}]', or install that package"
    return error(
        f"{label} needs the package {package!r}, which is not installed",
        remedy if extra else "install that package",
    )


def own_sources(*paths: str) -> Dict[str, str]:
    """Return twelve digits of the SHA-256 of each module of the user's own behind dotted paths.

    They are by the module's name; ours are left out, and those that cannot be found.

    >>> own_sources("joulebird.baselines.methods.snip:snip", "vgg16", "no.such.module:Net")
    {}
    """
    search_last([os.getcwd()])
    found = {}
    for module in {path.partition(":")[0] for path in paths if ":" in path}:
        if module.partition(".")[0] != "joulebird":
            with contextlib.suppress(Exception):  # a fault of the module shows where it is imported
                found[module] = source_hash(module)
    return found


@functools.lru_cache(maxsize=None)  # an edit while a module is in use is one of the next process
def source_hash(module: str) -> str:
    """Return twelve digits of the SHA-256 of a module's file; raises an Exception without one.

    The modules that it imports from its own folder, or from its top package, belong to it.
    """
    spec: Any = importlib.util.find_spec(module)
    source = spec.loader.get_data(spec.origin)
    whole = hashlib.sha256(source)
    for name, text in sorted(_imported(module, spec, source).items()):
        whole.update(f"{name} {hashlib.sha256(text).hexdigest()}".encode())
    return whole.hexdigest()[:12]


def _imported(module: str, spec: Any, source: bytes) -> Dict[str, bytes]:
    """Return the texts, by name, of the user's modules that a module imports, without importing."""
    top, *below = module.split(".")
    package = spec.submodule_search_locations is not None
    base = os.path.dirname(spec.origin)
    for _ in range(len(below) + package):
        base = os.path.dirname(base)
    if not (below or package) and os.path.basename(base) in ("site-packages", "dist-packages"):
        return {}
    within = top if below or package else ""  # a module of no package has those of its folder
    found = {module: source}
    waiting = [*_parents(module), *_names(module, package, source)]
    while waiting:
        name = waiting.pop()
        first = name.partition(".")[0]
        if name in found or first in ("", "joulebird") or (within and first != within):
            continue
        path = os.path.join(base, *name.split("."))
        for file in (os.path.join(path, "__init__.py"), path + ".py"):
            with contextlib.suppress(OSError), open(file, "rb") as opened:
                found[name] = opened.read()
                waiting += _names(name, file != path + ".py", found[name])
                break
    del found[module]
    return {name: text for name, text in found.items() if text.strip()}


def _names(module: str, package: bool, source: bytes) -> List[str]:
    """Return the names that a module's text may import, with the packages above them."""
    names = []
    with contextlib.suppress(SyntaxError, ValueError):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                parts = module.split(".") + [""] * package
                above = parts[: -node.level] if node.level else []
                start = ".".join(above + ([node.module] if node.module else []))
                names += [start] + [f"{start}.{alias.name}".lstrip(".") for alias in node.names]
    return names + [parent for name in names for parent in _parents(name)]


def _parents(name: str) -> List[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


# package -> the extra that installs it
EXTRAS = {
    "torch": "train",
    "torchvision": "train",
    "PIL": "train",
    "jtop": "jetson",
    "pynvml": "nvml",
    "snakemake": "fleet",
}
