"""The verbs of the command line, one file each with `ARGUMENTS` and `main(args)`.

`main` returns the exit code. `harness/cli/parser.py` makes the parser, also from `EXAMPLES`,
`USAGE` and `DEFAULTS` where a verb has them.
"""

# verb -> its line in `joulebird --help`
VERBS = {
    "demo": "Table 2 of a small real study on this machine, in minutes",
    "run": "run the unfinished runs of a study or a spec",
    "plan": "runs, shared stages, hours and kJ of a study, before paying",
    "table": "a paper-style table of finished runs",
    "figure": "a figure of finished runs; power over time",
    "report": "one self-contained page about finished runs",
    "check": "judge whether a finished study is trustworthy",
    "compare": "judge whether two folders of runs really differ",
    "export": "power logs and finished runs for other tools",
    "energy": "energy of a window of a power log, ours or foreign",
    "measure": "joules of any command",
    "watch": "live power",
    "sources": "the power sources of this machine",
    "doctor": "check board, sensors and software, with a remedy for each fault",
    "flops": "MACs and FLOPs of a network, dense or thin",
    "board": "boards over ssh: add, deploy, status, logs, stop, pull, clean",
}
# the same for `joulebird board --help`
BOARD_VERBS = {
    "add": "describe a board that is reached over ssh",
    "deploy": "put the code on a board (run does it by itself)",
    "status": "the holder of a board, its jobs, its finished runs",
    "logs": "the output of a run on a board",
    "stop": "end a run on a board after its epoch, or at once",
    "pull": "fetch finished runs from a board",
    "clean": "remove fetched runs, old code and old jobs from a board",
}
HELPERS = {
    "help": "the help of a verb: joulebird help VERB",
    "completion": "completion for a shell: joulebird completion bash|zsh|fish",
}

# These also run on a board, with Python 3.6 and nothing installed.
ON_A_BOARD = ("run", "measure", "sources", "watch", "doctor", "flops")
# These can be sent to a board from the desk: --board B.
REMOTE = ("sources", "watch", "doctor")
