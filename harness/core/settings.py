"""The formats of the files that people write for every machine: the spec and its schedule.

A new field is one line here; docs/formats.md and docs/schemas are made from it (`make formats`).
`harness/host/settings.py` has those of the desk: study and configuration.
"""

from joulebird.harness.core.schema import (
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
