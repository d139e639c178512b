"""A method's options: its keyword-only arguments, read from its source text.

Reading the text takes milliseconds, importing the module takes seconds of torch, and the id of a
run must be known at once.
"""

import ast
import importlib.util
import inspect
import json
import textwrap
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import import_module, resolve
from joulebird.harness.core.schema import (
    FLAG,
    NUMBER,
    TEXT,
    Field,
    Kind,
    Schema,
    integer,
    list_of,
    nullable,
)

REQUIRED = "required"
UNKNOWN = object()
KINDS: Dict[type, Kind] = {int: integer(None), float: NUMBER, str: TEXT, bool: FLAG}
LISTS = {"Sequence", "List", "Tuple", "list", "tuple"}


class Option(NamedTuple):
    """One keyword argument: its name, the plain type of its value, and its default.

    `optional`: it may be None; `several`: it is a list of that type.
    """

    name: str
    kind: type
    optional: bool
    several: bool
    default: Any

    def text(self) -> str:
        """Return the option as help shows it.

        >>> Option("epsilon", float, False, False, 0.1).text()
        'epsilon = 0.1 (float)'
        """
        kind = self.kind.__name__ + (" list" if self.several else "")
        return f"{self.name} = {self.default} ({kind})"

    def field(self) -> Field:
        """Return the option as a field of a file."""
        kind = list_of(KINDS[self.kind]) if self.several else KINDS[self.kind]
        kind = nullable(kind) if self.optional else kind
        example = "" if self.default in (REQUIRED, None) else json.dumps(self.default)
        return Field(self.name, kind, "", optional=self.default is not REQUIRED, example=example)

    def typed(self, value: Any) -> Any:
        """Return a checked value in the option's own type: an int becomes a float if need be.

        >>> Option("epsilon", float, False, False, 0.1).typed(1)
        1.0
        """
        if isinstance(value, (list, tuple)):
            return [self.kind(item) for item in value]
        return None if value is None else self.kind(value)


class Method(NamedTuple):
    """A method's summary (the first line of its docstring) and its options by name."""

    summary: str
    options: Dict[str, Option]


def read_method(path: str) -> Method:
    """Return the summary and options of the function behind "package.module:function".

    Raises HarnessError when there is no such function.
    """
    tree, function = _find(path)
    constants = _constants(tree)
    options = {
        argument.arg: _option(argument, default, constants, path)
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults)
    }
    return Method((ast.get_docstring(function) or "").partition("\n")[0], options)


def resolve_options(path: str, given: Dict[str, Any], where: str) -> Dict[str, Any]:
    """Return all options of a method with the given values; `where` names their place in errors.

    Raises HarnessError for an unknown option (with the nearest name), a value of the wrong type,
    or a missing required option.
    """
    known = read_method(path).options
    schema = Schema("options", "", [option.field() for option in known.values()], extra="refuse")
    schema.check(given, where)
    return {
        name: option.typed(given[name]) if name in given else option.default
        for name, option in known.items()
    }


def _find(path: str) -> Tuple[Any, Any]:
    """Return the syntax trees of a module and of the function in it.

    A function that is defined elsewhere is imported and its own text parsed.
    """
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


def _parse_module(name: str) -> Optional[ast.Module]:
    """Return the syntax tree of a module, or None when it has no text.

    Only its parent packages are imported.
    """
    if "." in name:
        import_module(name.rpartition(".")[0] or name, repr(name))
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        import_module(name, repr(name))  # raises the error that names the missing package
        return None
    get_source = getattr(spec.loader, "get_source", None)
    try:
        source = get_source(name) if get_source else None
        return ast.parse(source) if source else None
    except (ImportError, SyntaxError, ValueError):
        import_module(name, repr(name))  # raises the error that names the fault
        raise


def _constants(tree: ast.Module) -> Dict[str, Any]:
    """Return the values of the module's own plain constants: a default may name one."""
    pairs = [
        (node.targets[0].id, _value(node.value))
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    return {name: value for name, value in pairs if value is not UNKNOWN}


def _value(node: Any) -> Any:
    """Return the plain value that a syntax tree writes; UNKNOWN for any other expression."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNKNOWN


def _option(argument: ast.arg, default: Any, constants: Dict[str, Any], path: str) -> Option:
    value = constants.get(default.id, UNKNOWN) if isinstance(default, ast.Name) else _value(default)
    if default is None:
        value = REQUIRED
    if value is UNKNOWN:
        raise HarnessError(
            f"{path}: the default of option {argument.arg!r} is not a plain value",
            "write the value itself",
        )
    names = _names(argument.annotation)
    kinds = [kind for kind in KINDS if kind.__name__ in names]
    if not kinds and value is not None and value is not REQUIRED:
        sample = value[0] if isinstance(value, (list, tuple)) and value else value
        kinds = [type(sample)]
    if len(kinds) != 1 or kinds[0] not in KINDS:
        raise HarnessError(
            f"{path}: the type of option {argument.arg!r} is not plain",
            "annotate it as int, float, str, bool, Optional of one, or Sequence of one",
        )
    several = isinstance(value, (list, tuple)) or bool(LISTS & set(names))
    value = list(value) if isinstance(value, tuple) else value
    return Option(argument.arg, kinds[0], value is None or "Optional" in names, several, value)


def _names(annotation: Optional[ast.AST]) -> List[str]:
    """Return all names in an annotation: Optional[int] gives Optional and int.

    A quoted annotation is read too.
    """
    if annotation is None:
        return []
    quoted = _value(annotation)
    tree = ast.parse(quoted) if isinstance(quoted, str) else annotation
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
