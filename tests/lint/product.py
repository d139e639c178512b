"""The files that the lint reads: the product's modules and the documents."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("devices", "baselines", "harness", "reports")
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


class Module(NamedTuple):
    """One product file: its importable name, its path from the root, its text and syntax tree."""

    name: str
    path: str
    text: str
    tree: ast.Module


def modules(root: Path = ROOT) -> Iterator[Module]:
    """Yield the face and every module of the four rooms."""
    home = root / "joulebird"
    paths = sorted(home.glob("*.py"))
    for room in ROOMS:
        paths += sorted((home / room).rglob("*.py"))
    for path in paths:
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        yield Module(name, path.relative_to(home).as_posix(), text, ast.parse(text))


def documents(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Yield (path from the root, text) of every document that a user reads."""
    paths = [root / name for name in DOCUMENTS] + sorted((root / "docs").rglob("*.md"))
    for path in paths:
        if path.is_file():
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def docstrings(tree: ast.Module) -> Iterator[ast.Expr]:
    """Yield the docstring statements of a module, its classes and functions."""
    for node in ast.walk(tree):
        if isinstance(node, DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            assert isinstance(first, ast.Expr)
            yield first
