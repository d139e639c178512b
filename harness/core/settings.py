"""The formats of the files that people write: spec, study and configuration.

A new field is one line here; docs/formats.md and docs/schemas are made from it (`make formats`).
"""

from joulebird.harness.core.schema import (
    ANY,
    FLAG,
    NUMBER,
    TABLE,
    TEXT,
    Either,
    Field,
    Schema,
    integer,
    list_of,
    map_of,
    may,
    nullable,
    number,
    text,
)

VERSION = 1
RATIO = number(0, below=1)

SCHEDULE_FIELDS = [
    may("epochs", integer(1), "epochs of a whole training", "", "160"),
    may("batch", integer(1), "images in a batch", "", "256"),
    may("lr", number(above=0), "learning rate at the start", "", "0.1"),
    may(
        "milestones",
        list_of(integer(), rising=True),
        "0-based epochs at whose start the learning rate is multiplied by `gamma`;"
        " half and three quarters of the training unless given",
        "",
        "[80, 120]",
    ),
    may("gamma", number(above=0, high=1), "factor of the learning rate", "", "0.1"),
    may("momentum", number(0, below=1), "momentum of SGD", "", "0.9"),
    may("weight_decay", number(0), "weight decay, on all parameters", "", "0.0001"),
    may("sparsity", number(0), "weight of the L1 term on batch-norm scales", "", "0.0001"),
    may(
        "micro_batch",
        nullable(integer(1)),
        "part of a batch, for a batch that does not fit into memory",
        "",
        "32",
    ),
]
SCHEDULE = Schema("schedule", "How a network is trained.", SCHEDULE_FIELDS, extra="refuse")

SPEC_FIELDS = [
    Field("method", TEXT, "name of a method, or module:function", example='"eb-train"'),
    Field("model", TEXT, "name of a model", example='"vgg16"'),
    Field("dataset", TEXT, "name of a data set", example='"digits"'),
    Field("prune_ratio", RATIO, "share of channels, or weights, to remove", "share", example="0.5"),
    may("seed", integer(0, 2**31 - 1), "seed of all random numbers", "", "1"),
    may("width", number(above=0, high=8), "factor of every layer's channels", "", "1.0"),
    may(
        "device",
        text(r"auto|cpu|cuda(:\d+)?", 'one of "auto", "cpu", "cuda", "cuda:0"'),
        "torch device",
        "",
        '"auto"',
    ),
    *SCHEDULE_FIELDS,
]
SCALAR = Either(NUMBER, TEXT, FLAG)
OPTIONS = map_of(nullable(Either(NUMBER, TEXT, FLAG, list_of(SCALAR))))
SPEC = Schema(
    "spec.json",
    "Everything that decides a run.",
    [*SPEC_FIELDS, Field("options", TABLE, "options of the method", "", True, "{}")],
    extra="refuse",
    version=VERSION,
)
TASK = Schema(
    "task",
    "The fields that every stage of a run shares.",
    [
        *(
            field._replace(optional=field.name not in ("model", "dataset"))
            for field in SPEC_FIELDS[1:]
        ),
        may("data_dir", nullable(TEXT), "folder that holds the data sets"),
        may("download", FLAG, "true to download a missing data set"),
    ],
    extra="refuse",
)
NEEDED = ("method", "model", "dataset", "prune_ratio", "width", "batch", "epochs")
RECORDED_SPEC = Schema(
    "spec in a record",
    SPEC.doc,
    [
        *(field._replace(optional=field.name not in NEEDED, example="") for field in SPEC_FIELDS),
        Field("options", OPTIONS, "all options of the method", "", True),
    ],
)

RATIOS = list_of(RATIO, 1)
NAMES = list_of(TEXT, 1)
STUDY_TABLE = Schema(
    "[study]",
    "The grid: every combination of these lists is a run.",
    [
        may("methods", NAMES, "methods; not needed beside variants", "", '["eb-train"]'),
        Field("models", NAMES, "models", example='["vgg16"]'),
        Field("datasets", NAMES, "data sets", example='["digits"]'),
        Field("prune_ratios", RATIOS, "pruning ratios", "share", example="[0.3, 0.5, 0.7]"),
        may("seeds", list_of(integer(0, 2**31 - 1), 1), "seeds", "", "[1, 2, 3]"),
        SPEC.fields["width"],
        SPEC.fields["device"],
    ],
    extra="refuse",
)
SETTING = Schema(
    "[[setting]]",
    "Ratios and schedule of one model on one data set, instead of the study's.",
    [
        Field("model", TEXT, "one of the study's models", example='"vgg16"'),
        Field("dataset", TEXT, "one of the study's data sets", example='"digits"'),
        may("prune_ratios", RATIOS, "pruning ratios", "share", "[0.1, 0.3]"),
        may("schedule", SCHEDULE, "schedule, laid over [schedule]", "", "{lr = 0.5}"),
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
        may("prune_ratios", RATIOS, "pruning ratios", "share", "[0.1, 0.3]"),
        may("schedule", SCHEDULE, "schedule, laid over the others", "", "{lr = 0.5}"),
    ],
    extra="refuse",
)
STUDY = Schema(
    "study",
    "A study file (TOML).",
    [
        Field("study", STUDY_TABLE, "the grid", example="{...}"),
        may("schedule", SCHEDULE, "schedule of all runs", "", "{epochs = 160}"),
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
