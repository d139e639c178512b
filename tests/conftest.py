"""Which tests a Python runs: on a board's Python 3.6 only what a board runs."""
import os
import sys

# The tests import the packages from the tree, installed or not, and so do the processes they start.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))

collect_ignore_glob = []
if sys.version_info < (3, 11):
    collect_ignore_glob = ["reports", "harness/host", "benchmarks", "*_property.py", "test_border.py"]


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: longer than about five seconds; CI runs them too")
