"""The formats of the desk's files that people write: study and configuration.

A new field is one line here; docs/formats.md and docs/schemas are made from it (`make formats`).
"""

from joulebird.harness.core import settings
from joulebird.harness.core.schema import (
    ANY,
    TABLE,
    TEXT,
    Field,
    Schema,
    integer,
    list_of,
    map_of,
    may,
    text,
)

RATIOS = list_of(settings.RATIO, 1)
NAMES = list_of(TEXT, 1)
OWN_RATIOS = may("prune_ratios", RATIOS, "pruning ratios", "share", "[0.1, 0.3]")
STUDY_TABLE = Schema(
    "[study]",
    "The grid: every combination of these lists is a run.",
    [
        may("methods", NAMES, "methods; not needed beside variants", "", '["eb-train"]'),
        Field("models", NAMES, "models", example='["vgg16"]'),
        Field("datasets", NAMES, "data sets", example='["digits"]'),
        Field("prune_ratios", RATIOS, "pruning ratios", "share", example="[0.3, 0.5, 0.7]"),
        may("seeds", list_of(integer(0, 2**31 - 1), 1), "seeds", "", "[1, 2, 3]"),
        settings.SPEC.fields["width"],
        settings.SPEC.fields["device"],
    ],
    extra="refuse",
)
SETTING = Schema(
    "[[setting]]",
    "Ratios and schedule of one model on one data set, instead of the study's.",
    [
        Field("model", TEXT, "one of the study's models", example='"vgg16"'),
        Field("dataset", TEXT, "one of the study's data sets", example='"digits"'),
        OWN_RATIOS,
        may("schedule", settings.SCHEDULE, "schedule, laid over [schedule]", "", "{lr = 0.5}"),
    ],
    extra="refuse",
)
VARIANT = Schema(
    "[[variant]]",
    "One more row of a method.",
    [
        Field("method", TEXT, "name of a method", example='"eb-train"'),
        may(
            "options",
            TABLE,
            "options, laid over those of [method.NAME]",
            "",
            '{weights = "reinit"}',
        ),
        may(
            "each",
            map_of(list_of(ANY, 1)),
            "options of which every value (of several: every combination) is a row",
            "",
            "{draw_at = [10, 20]}",
        ),
        may("models", NAMES, "only with these of the study's models", "", '["vgg16"]'),
        may("datasets", NAMES, "only with these data sets", "", '["digits"]'),
        OWN_RATIOS,
        may("schedule", settings.SCHEDULE, "schedule, laid over the others", "", "{lr = 0.5}"),
    ],
    extra="refuse",
)
STUDY = Schema(
    "study",
    "A study file (TOML).",
    [
        Field("study", STUDY_TABLE, "the grid", example="{...}"),
        may("schedule", settings.SCHEDULE, "schedule of all runs", "", "{epochs = 160}"),
        may("method", map_of(TABLE), "options of each method", "", "{...}"),
        may(
            "setting",
            list_of(SETTING),
            "settings of their own",
            "",
            '[{model = "vgg16", ...}], or [[setting]]',
        ),
        may(
            "variant",
            list_of(VARIANT),
            "further rows",
            "",
            '[{method = "eb-train"}], or [[variant]]',
        ),
    ],
    extra="refuse",
)

BAD = r"""\x00-\x20\x7f'`"$\\;&<>|(){},*?!#"""
HOST = text(f"[^{BAD}-][^{BAD}]*", "a host name for ssh: no blanks, no quotes, no dash in front")
VARIABLE = text(r"[^\W\d]\w*", "a table of variables: names of letters, digits and _")
LINE = text(r"[^\0\n]*", "one line")
WORD = text(r"[^\0\n]+", "one line that is not empty")
FOLDER = text(r"[^\0\n:]+", "one line that is not empty, without a colon")
BOARD = Schema(
    "[board.NAME]",
    "How to reach one board, and how to run Python there.",
    [
        may("host", HOST, "name that ssh knows, user@host or ssh://user@host:port", "", '"tx2"'),
        may("python", WORD, "Python there", "", '"python3"'),
        may("workdir", WORD, "runs and jobs; relative to the home there", "", '"joulebird"'),
        may("cache", FOLDER, "code and data sets on the board", "", '".cache/joulebird"'),
        may("launcher", list_of(LINE), "command around Python", "", '["docker", "run", "IMAGE"]'),
        may("source", TEXT, "power source; the best one found there unless given", "", '"ina3221"'),
        may("prepare", TEXT, 'as `run --prepare`; "": in the present mode', "", '"MAXN"'),
        may("ssh", list_of(LINE, 1), "ssh client and its options", "", '["ssh", "-F", "config"]'),
        may("lock", WORD, "file to lock instead of the machine", "", '"/run/lock/gpu0"'),
        may("env", map_of(LINE, VARIABLE), "environment of every command", "", '{LANG = "C"}'),
    ],
    extra="refuse",
)
DEFAULTS = Schema(
    "[defaults]",
    "Defaults of the command line.",
    [
        may("board", TEXT, "board; also JOULEBIRD_BOARD and --board", "", '"tx2"'),
        may("runs", TEXT, "folder of runs; also JOULEBIRD_RUNS and --runs", "", '"runs"'),
    ],
    extra="refuse",
)
CONFIG = Schema(
    "config.toml",
    "The configuration of the desk.",
    [
        may("defaults", DEFAULTS, "defaults of the command line", "", '{board = "tx2"}'),
        may("board", map_of(BOARD), "boards, by name", "", '{tx2 = {host = "tx2"}}'),
    ],
    extra="refuse",
)
