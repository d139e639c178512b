"""Start a Python process that runs this package, whatever the current folder holds."""

import os
import sys
from typing import List, Optional

# The folder or the zip file that holds the package `joulebird`.
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

# `python -m` searches the current folder first, where the user may keep random.py or joulebird/;
# so does a PYTHONPATH that ends with a colon, by the folder's absolute path. This takes the
# current folder off the path, unless it is ROOT, before the first import (Python has loaded os).
LAUNCH = (
    "import os, sys; _, root, target = sys.argv[:3]; sys.argv[:3] = [target]; "
    "here = lambda path: os.path.exists(path) and os.path.samefile(path, '.'); "
    "sys.path[:] = [root] * (root not in sys.path) "
    "+ [path for path in sys.path if path == root or path and not here(path)]; "
    "from importlib import import_module; module, _, function = target.partition(':'); "
    "sys.exit(getattr(import_module(module), function)())"
)


def python_command(target: str, *arguments: str, python: Optional[str] = None) -> List[str]:
    """Return the command line that calls `target`, a "package.module:function", in a new process.

    The process exits with the function's result. `arguments` are its `sys.argv[1:]`; `python` is
    this interpreter unless given.
    """
    return [python or sys.executable, "-c", LAUNCH, ROOT, target] + list(arguments)


def user_paths() -> List[str]:
    """Return the folders in which this process finds the user's own modules."""
    paths = [os.path.abspath(path) for path in sys.path]
    return list(dict.fromkeys(paths + [os.getcwd()]))


def search_last(paths: List[str]) -> None:
    """Append folders to the module search path; those that it has stay where they are."""
    sys.path.extend(path for path in paths if path not in sys.path)
