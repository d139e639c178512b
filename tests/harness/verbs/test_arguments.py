"""The arguments that verbs share, over the parsers of all verbs."""

import sys

import pytest

from joulebird.harness.cli import arguments
from joulebird.harness.cli.arguments import SHARED
from joulebird.harness.cli.parser import parser_of, reason
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.verbs import BOARD_VERBS, ON_A_BOARD, REMOTE, VERBS
from tests.harness.command import refused

DESK = sys.version_info >= (3, 11)
EVERY = [verb for verb in VERBS if verb != "board"] + ["board " + verb for verb in BOARD_VERBS]
EVERY += ["completion"]
MATRIX = [
    *("--source", "--source-option", "--period", "--board", "--form", "--format", "--json"),
    *("-o", "--output", "--energy", "--net", "--rail"),
]
HERE = EVERY if DESK else list(ON_A_BOARD)
PARSERS = {verb: parser_of(verb) for verb in HERE}


def accepting(option):
    """The verbs with this option, as the table in the docstring of the module should list them."""
    return {verb for verb, parser in PARSERS.items() if option in parser._option_string_actions}


def action_of(verb, option):
    return PARSERS[verb]._option_string_actions[option]


def documented():
    """The table in the module's docstring: option -> verbs."""
    lines = arguments.__doc__.replace(",\n    ", ", ").splitlines()
    table = {}
    for line in lines:
        if line.startswith("--"):
            options, _, verbs = line.partition(": ")
            table.update(dict.fromkeys(options.split(", "), set(verbs.split(", "))))
    return table


@pytest.mark.parametrize("name", [name for name in SHARED if name.startswith("-")])
def test_an_argument_is_the_same_wherever_it_is(name):
    """Names, type, choices and destination; a verb may have a default and a help of its own."""
    shared = SHARED[name]
    for verb in accepting(shared.names[-1]):
        action = action_of(verb, shared.names[-1])
        assert set(action.option_strings) == set(shared.names), verb
        assert action.type is shared.keywords.get("type"), verb
        assert action.metavar == shared.keywords.get("metavar"), verb
        if "choices" in shared.keywords and name != "--form":
            assert action.choices == shared.keywords["choices"], verb


def test_nothing_that_is_shared_is_defined_again():
    """An option of these names comes from the module."""
    names = {name for shared in SHARED.values() for name in shared.names if name.startswith("-")}
    for parser in PARSERS.values():
        for option in names & set(parser._option_string_actions):
            [shared] = [entry for entry in SHARED.values() if option in entry.names]
            assert set(parser._option_string_actions[option].option_strings) == set(shared.names)


@pytest.mark.skipif(not DESK, reason="a board has not all verbs")
@pytest.mark.parametrize("option", sorted(documented()))
def test_the_table_in_the_docstring_is_true(option):
    assert documented()[option] == accepting(option)


@pytest.mark.parametrize("option", MATRIX)
def test_a_verb_accepts_an_option_or_has_the_reason(option):
    """None silently differs: the reason is the hint of the error."""
    for verb, parser in PARSERS.items():
        if (verb, option, DESK) == ("run", "--board", False):
            continue  # a board sends no run to another one
        assert (verb in accepting(option)) != bool(reason(verb, option)), verb
        if reason(verb, option) and verb != "measure":  # its command may have any option
            with pytest.raises(HarnessError) as caught:
                parser.parse_args([*minimal(parser), option])
            assert caught.value.exit_code == 2
            assert caught.value.message == f"{verb}: unrecognized arguments: {option}"
            assert caught.value.hint == reason(verb, option)


def minimal(parser):
    """The words that a verb cannot do without."""
    words = []
    for action in parser._actions:
        if action.option_strings and action.required:
            words += [action.option_strings[0], "x"]
        elif not action.option_strings and action.nargs in (None, "+"):
            words.append(next(iter(action.choices or ["x"])))
    return words


@pytest.mark.parametrize("verb", sorted(accepting("--json")))
def test_json_and_format_json_are_one_thing(verb):
    parser = PARSERS[verb]
    given = [["--json"], ["--format", "json"], ["--form=json"]]
    assert {parser.parse_args(words + minimal(parser)).form for words in given} == {"json"}
    assert parser.parse_args(minimal(parser)).form == "text"
    assert "json" in action_of(verb, "--form").choices


def test_who_has_json_has_a_place_to_write_it_to():
    assert (accepting("--json") | accepting("--form")) - {"watch"} <= accepting("--output")


def test_the_remote_verbs_are_those_with_one_board():
    of_runs = {"run", "plan", "table", "figure", "export", "report", "check", "compare"}
    assert accepting("--board") - of_runs == set(REMOTE)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--period", "0", "--period: must be above 0, in seconds (got '0')"),
        ("--period", "nan", "--period: must be above 0"),
        ("--period", "x", "--period: must be above 0, in seconds (got 'x')"),
        ("--period", "1e9", "--period: must be below 1000000 seconds, which is more than 11 days"),
        ("--period", "inf", "--period: must be below 1000000 seconds"),
        ("--idle", "-1", "--idle: must be 0 or more"),
        ("--idle", "1e9", "--idle: must be below 1000000 seconds"),
        ("--energy", "some", "--energy: invalid choice: 'some'"),
        ("--format", "xml", "--form/--format: invalid choice: 'xml'"),
        ("--source", "", "--source: must not be empty"),
        ("--board", " ", "--board: must not be empty"),
        ("--output", "", "-o/--output: must not be empty"),
        ("--runs", "", "--runs: must not be empty"),
    ],
)
def test_a_wrong_value_fails_with_the_same_words(option, value, words):
    for verb in accepting(option):
        required = [option + "=" + value]
        with pytest.raises(HarnessError) as caught:
            PARSERS[verb].parse_args(required)
        assert caught.value.message.startswith(verb + ": " + words)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize("verb", sorted(accepting("--source")))
def test_an_unknown_source_fails_with_the_same_words(verb, tmp_path):
    words = {"run": ["smoke"] if DESK else [str(tmp_path / "s.json")], "measure": ["--", "true"]}
    (tmp_path / "s.json").write_text(
        '{"method": "dense", "model": "vgg16", "dataset": "digits", "prune_ratio": 0.5}'
    )
    given = [verb, "--source", "ina3222", *words.get(verb, [])]
    if verb in ("run", "demo"):
        given[1:1] = ["--runs", str(tmp_path / "runs")]
    errors = refused(4, given)
    assert errors == "joulebird: unknown source 'ina3222'\n  did you mean 'ina3221'?\n"


@pytest.mark.parametrize("verb", sorted(accepting("--source") - {"run", "demo"}))
def test_two_sources_are_too_many_where_one_is_read(verb):
    words = ["--", "true"] if verb == "measure" else []
    given = [verb, "--source", "rapl", "--source", "nvml", *words]
    refused(2, given, "--source is given 2 times")
