"""Words that the house avoids: paraphrases of a term, and noun clauses that begin with "what"."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from tests.lint.product import Module

AVOIDED = re.compile(r"\b(tell|tells|told|foretold|somebody|whoever|so many)\b", re.IGNORECASE)
# "what is wrong", "what the board reads"; not "what to do", not a question.
WHAT = re.compile(r"\bwhat(?!ever|-|\s+to\b)\s+[a-z]", re.IGNORECASE)
SENTENCE = re.compile(r"[^.!?:;]*[.!?:;]?")
FENCE = re.compile(r"^```.*?^```[^\n]*", re.MULTILINE | re.DOTALL)


class Remark(NamedTuple):
    """A place and the words to mend there."""

    path: str
    line: int
    words: str


def faults(text: str) -> Iterator[tuple[int, str]]:
    """Yield (offset, words) of each avoided word, and of each "what" clause outside a question."""
    for match in AVOIDED.finditer(text):
        yield match.start(), match.group()
    for sentence in SENTENCE.finditer(text):
        if not sentence.group().endswith("?"):
            for match in WHAT.finditer(sentence.group()):
                end = sentence.start() + match.end()
                yield sentence.start() + match.start(), text[end - len(match.group()) :][:30]


def in_text(path: str, text: str, first_line: int = 1) -> Iterator[Remark]:
    """Yield the remarks about one passage that begins at `first_line`."""
    for offset, words in faults(text):
        yield Remark(path, first_line + text.count("\n", 0, offset), " ".join(words.split()))


def in_module(module: Module) -> Iterator[Remark]:
    """Yield the remarks about the docstrings, comments and messages of a module."""
    for line, text in passages(module):
        yield from in_text(module.path, text, line)


def in_document(path: str, text: str) -> Iterator[Remark]:
    """Yield the remarks about a Markdown text; fenced code is passed over."""
    blank = FENCE.sub(lambda match: "\n" * match.group().count("\n"), text)
    return in_text(path, blank)


def passages(module: Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of each comment, docstring and message (a string with a space)."""
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    inside = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if isinstance(part, ast.Constant)]
            inside.update(id(part) for part in parts)
            yield node.lineno, "{}".join(str(part.value) for part in parts)
        elif isinstance(node, ast.Constant) and id(node) not in inside and " " in str(node.value):
            yield node.lineno, str(node.value)
