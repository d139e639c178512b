"""The lint reads syntax trees of the desk's Python; a board's Python 3.6 has no ends of nodes."""

import sys

collect_ignore_glob = ["*"] if sys.version_info < (3, 11) else []
