"""The exit codes of the command line."""

DONE = 0
BUG = 1
USAGE = 2  # also a spec that is wrong
UNREACHABLE = 3  # a board
SOURCE = 4  # a power source
TRAINING = 5
CHECK = 6  # a check failed
BUSY = 75  # no free board
INTERRUPTED = 130
BROKEN_PIPE = 141

TEXT = """exit codes: 0 done, 1 bug, 2 usage or spec, 3 board unreachable, 4 power source,
5 training failed, 6 a check failed, 75 no free board, 130 interrupted"""
