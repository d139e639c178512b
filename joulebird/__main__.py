"""Run the command line: `python -m joulebird VERB`."""

import sys

from joulebird.harness.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
