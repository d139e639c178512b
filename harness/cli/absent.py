"""The reasons why verbs lack an option that others share; each is the hint of its error."""

# verbs ("board" is each verb of it), the options that they lack, the reason
ABSENT = (
    (
        "plan, table, figure, report, check, compare, energy, export",
        "--source, --source-option, --period",
        "it reads recordings: give the option to the `joulebird run` that records",
    ),
    ("sources, doctor", "--period", "it reads as fast as the source can"),
    ("demo", "--board", "on a board, `joulebird run demo --board B` trains the same study"),
    ("measure", "--board", "the command runs on this machine: start joulebird on the board"),
    (
        "energy, export",
        "--board",
        "it reads files of this machine: `joulebird board pull` fetches those of a board",
    ),
    ("report", "--form, --format, --json", "it writes one page of HTML"),
    ("export", "--form, --format, --json", "it writes a power.csv"),
    ("figure", "--json", "it draws a picture: give --format png, svg or pdf"),
    ("board add, board stop", "--form, --format, --json, -o, --output", "it prints no result"),
    ("board logs", "--form, --format, --json", "it prints the output of a job as it is"),
    (
        "watch, board logs",
        "-o, --output",
        "it may print for ever, and a file would appear only at the end: redirect its output",
    ),
    (
        "demo",
        "--energy, --net, --rail",
        "its table has measured gross energies: then `joulebird table 2 demo-runs`",
    ),
    ("plan", "--energy", "it learns from recorded epochs, which is per-epoch"),
    ("plan", "--net, --rail", "it plans the joules that the source's total will show"),
    ("report", "--net, --rail", "its page judges the gross energies of the source's total"),
    ("check", "--energy, --net, --rail", "it judges the recordings, with every rail"),
    ("measure", "--net", "it records no idle power: `joulebird run` does, with --idle"),
    (
        "run, measure, watch, sources, doctor, export",
        "--energy, --net",
        "it accounts for no finished run: `joulebird table` and `compare` do",
    ),
    ("energy", "--energy", "it accounts for no finished run: `joulebird table` and `compare` do"),
    ("run, export", "--rail", "it writes every rail to the log: `joulebird energy` chooses one"),
    ("sources, doctor", "--rail", "it tries every rail"),
    ("flops", "--board", "it counts the same on every machine"),
    (
        "flops",
        "--source, --source-option, --period, --energy, --net, --rail",
        "it counts operations and measures nothing",
    ),
    ("board", "--board", "the board is its argument NAME"),
    (
        "board",
        "--source, --source-option, --period, --energy, --net, --rail",
        "it manages a board and measures nothing: `joulebird run --board B` does",
    ),
    (
        "completion",
        "--source, --source-option, --period, --board, --form, --format, --json, --energy, --net, "
        "--rail",
        "it prints a script for a shell",
    ),
)


def reason(verb: str, option: str) -> str:
    """Return why a verb lacks an option; "" for an option that no verb shares.

    >>> reason("report", "--json"), reason("report", "--nosuch")
    ('it writes one page of HTML', '')
    """
    reasons = (
        why
        for verbs, options, why in ABSENT
        if {verb, verb.partition(" ")[0]} & set(verbs.split(", ")) and option in options.split(", ")
    )
    return next(reasons, "")
