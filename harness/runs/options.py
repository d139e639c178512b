"""A method's options: its keyword-only arguments, read from its source text.

Reading the text instead of importing the module costs milliseconds instead of seconds of torch, so that the id of a run is known at once.
"""

import ast
import importlib.util
import inspect
import math
import sys
import textwrap
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import import_module, nearest, resolve

REQUIRED = "required"
NOT_OPTIONS = ("prune_ratio",)  # given by the spec itself


class Option(NamedTuple):
    """One keyword argument: its name, the plain type of its value, whether it may be none or a list of that type, and its default."""

    name: str
    kind: type
    optional: bool
    several: bool
    default: Any

    def text(self) -> str:
        """How help shows it.

        >>> Option("epsilon", float, False, False, 0.1).text()
        'epsilon = 0.1 (float)'
        """
        kind = self.kind.__name__ + (" list" if self.several else "")
        return f"{self.name} = {self.default} ({kind})"


class Method(NamedTuple):
    """A method as its text tells: the first line of its docstring and its options by name."""

    summary: str
    options: Dict[str, Option]


def read_method(path: str) -> Method:
    """The options and summary of the function behind "package.module:function". Raises HarnessError when there is no such function."""
    tree, function = _find(path)
    constants = _constants(tree)
    options = {}
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults):
        if argument.arg not in NOT_OPTIONS:
            options[argument.arg] = _option(argument, default, constants, path)
    summary = (ast.get_docstring(function) or "").partition("\n")[0]
    return Method(summary, options)


def takes(path: str, name: str) -> bool:
    """Whether the function behind "package.module:function" has a keyword-only argument of this name."""
    return name in [argument.arg for argument in _find(path)[1].args.kwonlyargs]


def resolve_options(path: str, given: Dict[str, Any], where: str) -> Dict[str, Any]:
    """All options of a method with the given values put in and checked; `where` names their place in the error.

    Raises HarnessError for an unknown option (with the nearest name), a value of the wrong type, or a required one left out.
    """
    known = read_method(path).options
    for name in given:
        if name not in known:
            hint = nearest(name, known) or "this method has no options"
            raise HarnessError(f"{where}: unknown option {name!r}", hint)
    values = {}
    for name, option in known.items():
        value = given.get(name, option.default)
        if value is REQUIRED:
            raise HarnessError(
                f"{where}: option {name!r} is required",
                f"give it a value ({option.kind.__name__})",
            )
        values[name] = check_value(value, option, where) if name in given else value
    return values


def check_value(value: Any, option: Option, where: str) -> Any:
    """The value in the option's own type (an int becomes a float where one is wanted). Raises HarnessError for another type.

    >>> check_value(1, Option("epsilon", float, False, False, 0.1), "[method.eb-train]")
    1.0
    """
    if value is None and option.optional:
        return None
    if option.several and isinstance(value, (list, tuple)):
        single = option._replace(several=False)
        return [check_value(one, single, where) for one in value]
    fits = is_kind(value, option.kind) and not option.several
    if not fits:
        wanted = ("a list of %s" if option.several else "%s") % option.kind.__name__
        raise HarnessError(
            f"{where}: {option.name} must be {wanted}, not {value!r}",
            f"default: {option.default}",
        )
    return option.kind(value)


def is_kind(value: Any, kind: type) -> bool:
    """Whether a value read from a file is of a plain type: true is no number, an integer is a float too, nan and infinity are none.

    >>> is_kind(1, float), is_kind(True, int), is_kind("1", int)
    (True, False, False)
    """
    if kind is float:
        return (
            isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        )
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _find(path: str) -> Tuple[ast.AST, Any]:
    """The parsed text of the module and the function in it; a function defined elsewhere is imported and its own text parsed."""
    module_name, _, name = path.partition(":")
    tree = _parse_module(module_name)
    for node in getattr(tree, "body", []):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return tree, node
    function = inspect.unwrap(resolve(path))
    if not inspect.isfunction(function):
        raise HarnessError(
            f"{path} is not a function", "a method is a function (task, run, *, options)"
        )
    own = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return _parse_module(function.__module__) or own, own.body[0]


def _parse_module(name: str) -> Optional[ast.AST]:
    """The syntax tree of a module without importing it, or None when it has no text (only its parent packages are imported)."""
    if "." in name:
        import_module(name.rpartition(".")[0], repr(name))
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        import_module(name, repr(name))  # raises the error that says what is missing
        return None
    source = found.loader.get_source(name) if hasattr(found.loader, "get_source") else None
    return ast.parse(source) if source else None


def _constants(tree: Any) -> Dict[str, Any]:
    """Values of the module's own plain constants, so that a default may name one."""
    values = {}  # type: Dict[str, Any]
    for node in getattr(tree, "body", []):
        if (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
        ):
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue  # not a plain value: cannot be a default
    return values


def _option(argument: ast.arg, default: Any, constants: Dict[str, Any], path: str) -> Option:
    value = REQUIRED if default is None else _literal(default, constants, path, argument.arg)
    kinds = _kinds(argument.annotation)
    plain = [kind for kind in (int, float, str, bool) if kind.__name__ in kinds]
    if not plain and value is not None and value is not REQUIRED:
        plain = [type(value[0])] if isinstance(value, (list, tuple)) and value else [type(value)]
    if len(plain) != 1 or plain[0] not in (int, float, str, bool):
        raise HarnessError(
            f"{path}: the type of option {argument.arg!r} is not plain",
            "annotate it as int, float, str, bool, Optional of one, or Sequence of one",
        )
    several = isinstance(value, (list, tuple)) or bool(
        {"Sequence", "List", "Tuple", "list", "tuple"} & set(kinds)
    )
    value = list(value) if isinstance(value, tuple) else value
    return Option(argument.arg, plain[0], value is None or "Optional" in kinds, several, value)


def _literal(node: Any, constants: Dict[str, Any], path: str, name: str) -> Any:
    if isinstance(node, ast.Name) and node.id in constants:
        return constants[node.id]
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise HarnessError(
            f"{path}: the default of option {name!r} is not a plain value",
            "write the value itself",
        ) from None


def _kinds(annotation: Any) -> List[str]:
    """All names in an annotation: Optional[int] gives Optional and int; a quoted annotation is read too."""
    if annotation is None:
        return []
    text = getattr(
        annotation, "s" if sys.version_info < (3, 8) else "value", None
    )  # ast.Str on Python 3.6
    if isinstance(text, str):
        annotation = ast.parse(text)
    return [node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)]
