"""Which tests a Python runs: on a board's Python 3.6 only what a board runs."""

import atexit
import os
import shutil
import signal
import sys
import tempfile

# The tests import the packages from the tree, installed or not, and so do the processes they start.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))

# Trainings of two test processes may run beside each other.
FOLDER = tempfile.mkdtemp(prefix="joulebird-tests-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
os.environ["JOULEBIRD_MACHINE_LOCK"] = os.path.join(FOLDER, "machine")

# A shell ignores Ctrl-C in what it runs in the background, and nohup the hang-up.
for ignored, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, usual)

collect_ignore_glob = []
if sys.version_info < (3, 11):
    collect_ignore_glob = [
        "reports",
        "harness/host",
        "benchmarks",
        "*_property.py",
        "test_border.py",
        "test_bootstrap_pip.py",
        "test_walks.py",
    ]


# Two workers with two threads each, on two cores, would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

# Other work on this machine must not decide about warnings: the tests of foreign load watch /proc.
os.environ["JOULEBIRD_PROC"] = os.path.join(ROOT, "no-such-folder")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: longer than about five seconds; CI runs them too")
    config.addinivalue_line("markers", "alone: compares times; nothing else may run beside it")


def pytest_collection_modifyitems(items):
    for item in items:
        if "benchmarks" in item.nodeid.split("/"):
            item.add_marker("alone")
