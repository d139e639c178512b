"""The formats of the files that joulebird writes. A new field is one line here.

Each constant is the schema of one file, of one part of it, or of one event; docs/formats.md and
docs/schemas are made from them (`make formats`).
"""

from typing import List

from joulebird.harness.core import settings
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
DAMAGED = "the file is damaged: delete it and run again"
ID = text(r"[^/\0]+", "a name without slashes")
CLOCK_S = SECONDS = number(0, 1e10)
WALL_S = number(0, 1e11)
SHARE = number(0, 1)


def relaxed(schema: Schema, *more: Field) -> List[Field]:
    """Return the fields of a schema, all optional, and more."""
    return [field._replace(optional=True) for field in schema.fields.values()] + list(more)


ERROR = nullable(number(0, 1e9))
PER_RAIL = Either(ERROR, map_of(ERROR))

SENSOR_ACCURACY = Schema(
    "accuracy of a source",
    "The largest errors of the sensor: one number, or one for each rail.",
    [
        may("gain", PER_RAIL, "error in proportion to the reading", "share"),
        may("offset_mw", PER_RAIL, "constant error", "mW"),
        may("quantum_mw", PER_RAIL, "step between two readings", "mW"),
        may("reference", TEXT, "the line of the datasheet that says so"),
    ],
)
RANGE_W = Either(number(0), map_of(number(0)))
RECORDER = Schema(
    "recorder of a source",
    "How the source was sampled.",
    [
        may("python", TEXT, "version"),
        may("period_s", SECONDS, "mean time between two readings", "s"),
        may("mean_period_s", SECONDS, "mean time between two rows", "s"),
        may("jitter", list_of(NUMBER), "least and greatest interval, in periods"),
    ],
)
SOURCE = Schema(
    "source",
    "A power source, as its `describe()` returns it: the `# source` line of a log.",
    [
        Field("name", TEXT, "name in `devices.SOURCES`, or the class"),
        Field("sampling", TEXT, '"average" over the interval, "snapshot", "counter", "simulated"'),
        Field("scope", TEXT, "extent of the total: module, board, dc, wall, gpu, package"),
        Field("rails", list_of(TEXT), "the recorded rails, in the order of the columns"),
        Field("total", list_of(TEXT), "the rails whose sum is the scope; rails nest, so never all"),
        Field("real", FLAG, "false for numbers that no sensor measured (simulated, replayed)"),
        may("accuracy", Either(SENSOR_ACCURACY, TEXT), "the largest errors, or the maker's words"),
        may("range_w", nullable(RANGE_W), "largest true power; beyond it a row is `RANGE`", "W"),
        may("sensor", TEXT, "identity of the sensor: chips and shunts, serial number, port, UUID"),
        may("definition", TEXT, "hash of the user's own files behind it: class, meter"),
        may("below_resolution", list_of(TEXT), "rails that read less than their offset at `open`"),
        may("simulated", FLAG, "true for the simulated source and for a replay of its logs"),
        may("recorder", RECORDER, "how the source was sampled"),
    ],
)
COUNTS = Schema(
    "log of a source",
    "Counts of the recorder while it wrote the log of one stage.",
    [
        may("rows", integer(), "rows written"),
        may("failed", integer(), "rows without a complete reading"),
        may("missed", integer(), "ticks that were skipped"),
        may("late_s", NUMBER, "worst lateness of a reading", "s"),
        may("worst_gap_s", NUMBER, "longest time between two good readings", "s"),
        may("rate_hz", NUMBER, "mean rate of good readings", "Hz"),
        may("others", map_of(TABLE), "the same of each further source, by label"),
    ],
)
RECORDED_SOURCE = Schema(
    "source in a record",
    "The fields of a source and the counts of its log. Empty without a power source.",
    relaxed(
        SOURCE,
        may("log", COUNTS, "counts of the recorder"),
        may("others", map_of(TABLE), "the sources recorded beside this one, by label"),
    ),
)
CLOCK = Schema(
    "clock",
    "One instant on both clocks: the `# clock` line of a log.",
    [
        Field("monotonic_s", number(-1e10, 1e10), "CLOCK_MONOTONIC", "s"),
        Field("wall_s", WALL_S, "time since 1970", "s"),
        may("boot_id", nullable(TEXT), "the boot whose CLOCK_MONOTONIC it is"),
        may("u_s", SECONDS, "largest error of times moved here from another clock", "s"),
    ],
)
LOGGED_SOURCE = Schema("source of a log", SOURCE.doc, relaxed(SOURCE))

WORK = Schema(
    "work",
    "The network that a stage trained, and its cost.",
    [
        Field("structure", TEXT, "hash of the widths"),
        Field("widths", list_of(ANY), "channels of each layer"),
        Field("macs", integer(), "multiply-accumulates of one image, forward, exact"),
        Field("forward_flops", integer(), "FLOPs of one image by the Early-Bird authors' counter"),
        Field("images_per_epoch", integer(), "images trained on in an epoch"),
        Field("epochs", integer(), "epochs trained"),
        Field("batch", integer(1), "images in a batch"),
        may("precision", TEXT, '"fp32"; any other is simulated arithmetic ("bfp8", "wage8")'),
    ],
)
LOAD = Schema(
    "load",
    "Processor times of a window. Own are joulebird and its children; all other busy time is"
    " foreign, the kernel's and a hypervisor's too. One tick is 0.01 s.",
    [
        may("own_cpu_s", number(0), "processor time of joulebird", "s"),
        may("total_cpu_s", number(0), "busy time of all cores", "s"),
        may("foreign_cores", nullable(number(0)), "cores that others kept busy; null: unknown"),
        may("cores", integer(), "number of cores"),
        may("gpu_others", nullable(list_of(TABLE)), "others on a GPU: gpu, pid, name, memory_mb"),
        may("unknown", TEXT, "the reason why the times are unknown"),
    ],
)
WARNING = Schema(
    "warning",
    "One warning; its facts are further fields. Texts: harness/runs/warnings.py.",
    [
        Field("name", TEXT, "name of the warning"),
        may("text", TEXT, "the fault in one sentence"),
        may("remedy", TEXT, "the next step"),
        may("stage", TEXT, "name of the stage (in record.json)"),
    ],
)
METRICS = Schema(
    "metrics",
    "Values that a stage function noted. Methods add their own; reports read these.",
    [
        may("test_accuracy", nullable(SHARE), "accuracy of a network that trained no epoch"),
        may("epochs_trained", integer(), "epochs that Early-Bird's search trained"),
        may("paper_n", integer(), "one more: the N of the paper's tables"),
        may("mask_distance", nullable(NUMBER), "distance of the last two masks of the search"),
    ],
)
ENVIRONMENT = Schema(
    "environment",
    "The machine and the software.",
    [
        may("joulebird", TEXT, "version"),
        may("code", nullable(TEXT), "hash of the code that ran"),
        may("python", TEXT, "version"),
        may("packages", map_of(TEXT), "versions of torch, torchvision, numpy"),
        may("host", TEXT, "name of the machine"),
        may("machine", TEXT, "type of the machine"),
        may("system", TEXT, "kernel"),
        may("processor", nullable(TEXT), "name of the processor"),
        may("cores", nullable(integer()), "number of cores"),
        may("threads", integer(), "threads of torch"),
        may("omp_wait_policy", nullable(TEXT), "OMP_WAIT_POLICY"),
        may("openblas_coretype", nullable(TEXT), "OPENBLAS_CORETYPE"),
        may("cuda", nullable(TEXT), "CUDA version of torch"),
        may("cuda_device", TEXT, "name of the CUDA device"),
        may("boot_id", nullable(TEXT), "the boot"),
        may("board", nullable(Either(TEXT, TABLE)), "model of a Jetson"),
        may("board_serial", nullable(TEXT), "serial number of board or SoC, else digits of a hash"),
        may("jetpack", nullable(TEXT), "JetPack version"),
        may("l4t", nullable(TEXT), "L4T version"),
        may("power_mode", nullable(Either(TEXT, TABLE)), "name of the power mode"),
        may("clocks_locked", nullable(FLAG), "true if every clock has one allowed value"),
        may("clock_limits_hz", nullable(TABLE), "lowest and highest clock of each core and GPU"),
        may("fan", nullable(TABLE), "state of the fan"),
        may("prepared", TABLE, "state set by --prepare: power_mode, clocks_locked, fan, settled"),
    ],
)
CONDITIONS = may("conditions", TEXT, "hash of the facts that may not differ within a stage")
STAGE = Schema(
    "stage.json",
    "A finished stage. Written last, by renaming: a whole one means done.",
    [
        Field("id", ID, "function's name and hash of the recipe; also the folder's name"),
        Field("name", TEXT, "name that the method gave it"),
        Field("function", TEXT, '"module:function"'),
        may("upstream", list_of(ID), "ids of the stages that it builds on"),
        may("session", TEXT, "session that finished it"),
        may("attempts", integer(), "attempts at the stage"),
        may("seconds", SECONDS, "useful time of all attempts", "s"),
        may("device", TEXT, "torch device"),
        may("work", nullable(WORK), "the trained network; null for a stage without training"),
        may("load", LOAD, "own and foreign load of the last attempt"),
        may("metrics", METRICS, "values that the stage function noted"),
        may("warnings", list_of(WARNING), "warnings of the stage"),
        may("source", RECORDED_SOURCE, "the power source, and counts of its log"),
        may("environment", ENVIRONMENT, "the machine and the software"),
        CONDITIONS,
        may("digests", map_of(TEXT), "SHA-256 of events.jsonl and of each power log, by file name"),
    ],
    version=VERSION,
    remedy=DAMAGED,
)
SOURCES = may("sources", map_of(TEXT), "hash of each module of the user's own, by its name")
ACCURACY = Schema(
    "accuracy of a run",
    "Test accuracy of the network that the run ends with.",
    [
        Field("best", SHARE, "best epoch's", "share"),
        Field("last", SHARE, "last epoch's", "share"),
        may("best_epoch", integer(), "the best epoch, counted from 1"),
    ],
)
RECORD = Schema(
    "record.json",
    "A finished run. Written last, by renaming: a whole one means done.",
    [
        Field("id", ID, "readable id; also the folder's name"),
        Field("spec", settings.RECORDED_SPEC, "the resolved spec"),
        Field(
            "stages", list_of(ID, 1), "stage ids, in the order in which the method asked for them"
        ),
        Field("accuracy", ACCURACY, "test accuracy"),
        may("metrics", map_of(METRICS), "metrics of the stages, by stage name"),
        may("warnings", list_of(WARNING), "warnings of all stages"),
        may("environment", ENVIRONMENT, "the machine and the software"),
        may("source", RECORDED_SOURCE, "the power source of the last stage"),
        may("sessions", list_of(TEXT), "sessions that measured its stages"),
        may("finished", WALL_S, "time of the end, since 1970", "s"),
        may("joulebird", TEXT, "version that wrote it"),
        SOURCES,
    ],
    version=VERSION,
    remedy=DAMAGED,
)
RECIPE = Schema(
    "recipe.json",
    "Everything that a stage's result depends on; its hash is the stage's id.",
    [
        Field("function", TEXT, '"module:function"'),
        Field("inputs", list_of(ANY), 'inputs: {"task": ...}, {"stage": id}, or plain values'),
        Field("options", TABLE, "keyword arguments"),
        SOURCES,
    ],
    version=VERSION,
    remedy=DAMAGED,
)

EVENT = Schema(
    "event",
    "Any line of events.jsonl.",
    [
        Field("event", TEXT, "name of the event"),
        Field("t_s", CLOCK_S, "CLOCK_MONOTONIC", "s"),
    ],
    remedy="the file is damaged: delete its stage's folder and run again",
)


def event(name: str, doc: str, *fields: Field) -> Schema:
    """Return the schema of one event."""
    return Schema(name, doc, list(EVENT.fields.values()) + list(fields), remedy=EVENT.remedy)


EVENTS = {
    schema.name: schema
    for schema in (
        event(
            "attempt_begin",
            "An attempt at the stage begins.",
            may("attempt", integer(1), "number of the attempt"),
            may("boot_id", nullable(TEXT), "the boot whose CLOCK_MONOTONIC `t_s` is"),
            may("wall_s", WALL_S, "time since 1970", "s"),
            may("pid", integer(), "process"),
            may("session", TEXT, "session"),
            may("from_epoch", integer(), "last epoch of the checkpoint that it continues from"),
            may("restarted", FLAG, "true if all earlier work is void: it counts as repeated"),
            may("environment", ENVIRONMENT, "the machine and the software"),
            may("source", LOGGED_SOURCE, "identity of the power source"),
            may("device", TEXT, "torch device"),
            CONDITIONS,
        ),
        event("stage_begin", "The window of the stage begins."),
        event("stage_resume", "The window of a continued stage begins."),
        event(
            "epoch",
            "An epoch ended: the device is idle and the checkpoint is on the disk.",
            Field("epoch", integer(1), "number of the epoch, from 1"),
            may("of", integer(), "epochs planned"),
            Field("begin_s", CLOCK_S, "begin of the epoch", "s"),
            Field("train_end_s", CLOCK_S, "end of training, begin of testing", "s"),
            may("loss", nullable(NUMBER), "mean training loss; null for NaN"),
            may("test_accuracy", nullable(SHARE), "test accuracy", "share"),
            may("images", integer(), "images trained on"),
            may("load", LOAD, "own and foreign load since the last epoch, or the stage's begin"),
            may("checkpoint", ID, "name of the checkpoint of this epoch"),
            CONDITIONS,
        ),
        event(
            "metric",
            "Values that the stage function noted; the last of each name counts.",
            *METRICS.fields.values(),
        ),
        event("warning", WARNING.doc, *WARNING.fields.values()),
        event(
            "stage_end",
            "The window of the stage ends.",
            may("load", LOAD, "own and foreign load of this attempt, or idle measurement"),
            may(
                "record",
                Schema("record of a stage", STAGE.doc, STAGE.fields.values(), remedy=DAMAGED),
                "the content of stage.json, so that a kill between the two costs nothing",
            ),
        ),
        event(
            "health",
            "State of a Jetson, once a second. `limits`, `clocks_locked`, `swap` and `boot_id` are"
            " written only when they change.",
            may("temps_c", map_of(NUMBER), "temperature of each zone", "C"),
            may("clocks_hz", map_of(integer()), "present clock of each core and of the GPU", "Hz"),
            may("gpu_load", nullable(number(0)), "load of the GPU", "share"),
            may("power_mode", nullable(integer()), "number of the nvpmodel mode"),
            may("cooling", map_of(integer()), "state of each device that throttles"),
            may("volts", map_of(NUMBER), "supply voltage by rail", "V"),
            may("limits", TABLE, "online cores and highest clocks"),
            may("clocks_locked", nullable(FLAG), "true if every clock has one allowed value"),
            may("swap", TABLE, "pages in and out since boot, bytes in use"),
            may("boot_id", nullable(TEXT), "the boot"),
        ),
        event("throttle", "Throttling began."),
        event("mode_change", "The power mode changed."),
        event("limits_change", "A clock limit, or the number of online cores, changed."),
        event("swap", "Swapping began."),
        event("supply_sag", "The supply voltage fell."),
    )
}
