"""Give pip to a virtual environment made without it: .venv/bin/python bootstrap_pip.py.

Debian and Ubuntu keep ensurepip in python3-venv, a package that a fresh machine lacks; without it
`venv --without-pip` still works. A wheel of pip can install itself: one file from the package index
(PIP_INDEX_URL if that is set), of known content.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

WHEEL = "pip-26.3-py3-none-any.whl"
SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"


def fetch(address):
    """Return the content of an address, and its address after redirections."""
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read(), answer.url


def main():
    """Install pip; return an error message, or the exit code of the installation."""
    try:
        page, base = fetch(
            os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
        )
        link = re.search(rf'href="([^"#]*{re.escape(WHEEL)})[#"]', page.decode())
        if link is None:
            return f"{base} has no {WHEEL}"
        wheel, base = fetch(urljoin(base, link[1]))
    except (OSError, ValueError) as error:
        return f"could not download {WHEEL}: {error}"
    if hashlib.sha256(wheel).hexdigest() != SHA256:
        return f"{base} is not the {WHEEL} that was expected"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, WHEEL)
        path.write_bytes(wheel)
        return subprocess.call(
            [
                sys.executable,
                f"{path}/pip",
                "install",
                "--disable-pip-version-check",
                "-q",
                "--no-index",
                str(path),
            ]
        )


if __name__ == "__main__":
    sys.exit(main())
