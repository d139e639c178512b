"""Import circles between the product's modules, lazy imports inside functions included."""

import ast
from collections.abc import Iterable, Iterator, Mapping

from tests.lint.product import Module


def graph(modules: Iterable[Module]) -> dict[str, set[str]]:
    """Return module -> the modules of the product that it imports anywhere."""
    modules = list(modules)
    known = {module.name for module in modules}
    return {module.name: set(targets(module, known)) - {module.name} for module in modules}


def targets(module: Module, known: set[str]) -> Iterator[str]:
    """Yield the known modules that a module's import statements reach."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                name = inner if inner in known else str(node.module)
                if name in known:
                    yield name


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that reach each other, each sorted (Tarjan's components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in sorted(edges.get(name, ())):
            if target not in order:
                visit(target)
            if target in stack:
                low[name] = min(low[name], low[target])
        if low[name] == order[name]:
            at = stack.index(name)
            groups.append(sorted(stack[at:]))
            del stack[at:]

    for name in sorted(edges):
        if name not in order:
            visit(name)
    return [group for group in groups if len(group) > 1]
