"""On a board's Python only the verbs that run there are tested."""

import glob
import os
import sys

from joulebird.harness.verbs import ON_A_BOARD

HERE = os.path.dirname(os.path.abspath(__file__))

collect_ignore = []
if sys.version_info < (3, 11):
    board = [f"test_{verb}.py" for verb in ON_A_BOARD] + ["test_arguments.py"]
    every = [os.path.basename(path) for path in glob.glob(os.path.join(HERE, "test_*.py"))]
    collect_ignore = [name for name in every if name not in board]
