"""Open a power log, whatever it lies in, as a file that can be read again from any place."""

from typing import IO

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.files import refuse_endless


def open_log(path: str) -> IO[bytes]:
    """Open a log. Raises HarnessError where it cannot be read."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - the caller closes it
        refuse_endless(file)
    except OSError as error:
        raise HarnessError(
            f"{path}: cannot be read ({error.strerror})",
            "check the name and the permissions of the file",
        ) from None
    return file
