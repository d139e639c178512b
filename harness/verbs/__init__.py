"""The verbs of the command line, one file each: `configure(parser)` and `main(args) -> exit code`."""

# These also run on a board, with Python 3.6 and nothing installed; the others need the desk's Python and libraries.
ON_A_BOARD = ("run", "measure", "sources", "watch", "doctor", "flops")
