"""The list of words: house.md's kind of sentences are found, plain ones pass."""

import ast

import pytest

from tests.lint.product import Module
from tests.lint.words import faults, in_document, in_module


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Somebody who tells what happens to the board.", ["somebody", "tells", "what h"]),
        ("at once raised what waiting cannot cure", ["what w"]),
        ("left tx2; what runs there goes on", ["what r"]),
        ("stages is not what it must be", ["what i"]),
        ("how badly each sample is foretold by its neighbours", ["foretold"]),
        ("What two sources saw of the stages.", ["what t"]),
        ("and so many others; whoever asks is told", ["so many", "whoever", "told"]),
        ("Leave the log, and what\nit holds, alone.", ["what\ni"]),
    ],
)
def test_a_paraphrase_is_found(text, words):
    found = [found.lower() for _, found in sorted(faults(text))]
    assert len(found) == len(words)
    for begin, whole in zip(words, found, strict=True):
        assert whole.startswith(begin)


@pytest.mark.parametrize(
    "text",
    [
        "Return a monitor that logs board-health events of a stage.",
        "Say what to do.",
        "What is measured here? The module.",
        "whatever the chunking",
        "A what-if estimate.",
        "untold, storyteller, tellurium",
    ],
)
def test_plain_sentences_pass(text):
    assert not list(faults(text))


def module(text):
    return Module("joulebird.x", "x.py", text, ast.parse(text))


def test_docstrings_comments_and_messages_are_read_and_names_are_not():
    text = (
        '"""Read it.\n\nWhat is left stays.\n"""\n'
        "tell = 1  # nobody is told\n"
        "def told(tells):\n"
        "    raise ValueError(f'{tells} is what the {tell} said')\n"
        "what = {'tell': 'tells you'}\n"
    )
    assert [(remark.line, remark.words.split()[0]) for remark in in_module(module(text))] == [
        (5, "told"),
        (3, "What"),
        (8, "tells"),
        (7, "what"),
    ]


def test_fenced_code_of_a_document_is_passed_over():
    text = "Do it.\n```sh\ntell what is\n```\nHere it tells more.\n"
    assert [(remark.line, remark.words) for remark in in_document("x.md", text)] == [(5, "tells")]
