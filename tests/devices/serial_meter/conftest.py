"""The independent peers need a current Python."""

import sys

collect_ignore_glob = ["test_peers.py"] if sys.version_info < (3, 11) else []
