"""Pass a board's `joulebird run` the options of the command line, else of the configuration."""

import pytest

from joulebird.harness.cli.parser import parser_of
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host.boards.fleet import flags, words
from joulebird.harness.host.config import Board
from joulebird.harness.power.sources import choose_all

TX2 = Board(name="tx2", host="tx2", source="ina3221", prepare="MAXN")
PLAIN = Board(name="desk", host="desk")


def parsed(*given):
    return parser_of("run").parse_args(
        [*given, "smoke"] if "--prepare" not in given else ["smoke", *given]
    )


@pytest.mark.parametrize(
    ("given", "board", "told"),
    [
        ([], PLAIN, []),
        ([], TX2, ["--source", "ina3221", "--prepare=MAXN"]),
        (["--prepare"], TX2, ["--source", "ina3221", "--prepare="]),
        (["--prepare=MAXQ"], PLAIN, ["--prepare=MAXQ"]),
        (
            [
                "--source",
                "jtop",
                "--source",
                "serial",
                "--source-option",
                "serial.port=/dev/ttyUSB0",
                "--period",
                "0.1",
            ],
            TX2,
            [
                "--source",
                "jtop",
                "--source",
                "serial",
                "--source-option",
                "serial.port=/dev/ttyUSB0",
                "--period",
                "0.1",
                "--prepare=MAXN",
            ],
        ),
    ],
)
def test_the_words_for_a_board(given, board, told):
    assert list(words(parsed(*given), board)) == told
    assert parser_of("run").parse_args(["smoke", *told]).prepare == (
        told[-1].partition("=")[2] if told and "--prepare" in told[-1] else None
    )


def test_a_fleet_is_told_of_all_sources_and_the_state():
    told = flags(
        parsed("--source", "ina3221", "--source", "rapl", "--prepare=MAXN", "--period", "0.1"),
        [TX2, PLAIN],
    )
    assert " ".join(told).startswith("--board tx2 --board desk --pick")
    assert "--prepare=MAXN" in told
    assert " ".join(told).count("--source ") == 2
    assert told[told.index("--period") + 1] == "0.1"


@pytest.mark.parametrize("period", ["0", "-1", "nan", "x"])
def test_a_period_that_cannot_be(period):
    with pytest.raises(HarnessError, match="--period"):
        parsed("--period", period)


def test_the_first_source_is_the_one_that_counts():
    first, second = choose_all(["simulated", "replay"], ["cores=2", "replay.path=power.csv"])
    assert (first.name, first.options, second.name, second.options) == (
        "simulated",
        {"cores": 2},
        "replay",
        {"path": "power.csv"},
    )
