"""Turn the messages of ssh into errors with a remedy."""

import re
import shlex

from joulebird.harness.core.errors import UNREACHABLE, HarnessError


class LinkError(HarnessError):
    """A board could not be reached, or a command on it failed; `lost`: a retry may help."""

    def __init__(self, message: str, hint: str, lost: bool = False) -> None:
        super().__init__(message, hint, UNREACHABLE)
        self.lost = lost


BROKEN = "type the same command again: it goes on where it was"
# (pattern of ssh's message, message, hint, whether a retry may help)
SSH_SAYS = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed",
        "{host} answers with another host key than the one you know",
        "if the board was flashed anew, forget the old key (ssh-keygen -R {bare}) and check the "
        "new one with: ssh {host};"
        " if not, do not go on",
        False,
    ),
    (
        r"Host key verification failed|No .* host key is known for",
        "{host}: its host key is not known on this machine",
        "connect once by hand and compare the fingerprint: ssh {host}",
        False,
    ),
    (
        r"Could not resolve hostname|Name or service not known|nodename nor servname",
        "{host}: no such host",
        "check the name (host = in the configuration, or ~/.ssh/config), and the network",
        False,
    ),
    (
        r"Too many authentication failures|Permission denied \((?!publickey,?\)).*|"
        r"Permission denied \(",
        "{host}: the login was refused",
        "give it your key: ssh-copy-id {host}; then `ssh {host} true` must work without a question",
        False,
    ),
    (
        r"Bad configuration option|terminating, \d+ bad configuration|"
        r"Bad owner or permissions on .*config|Can't open user config file",
        "ssh refuses its configuration: {last}",
        "correct the file that ssh names",
        False,
    ),
    (
        r"Connection refused",
        "{host}: nothing listens for ssh there",
        "is the board on, and sshd running? try: ssh {host} true",
        True,
    ),
    (
        r"timed out|No route to host|Network is unreachable|Host is down|Operation timed out",
        "{host}: no answer",
        "is the board on, and on the network? try: ssh {host} true",
        True,
    ),
    (
        r"Connection (closed|reset)|Broken pipe|mux_client|closed by remote host|"
        r"Connection to .* closed|kex_exchange|Control socket",
        "{host}: the connection broke",
        BROKEN,
        True,
    ),
)


def ssh_error(host: str, stderr: str) -> LinkError:
    """Return the error for the messages of ssh itself (exit status 255)."""
    lines = [line for line in _lines(stderr) if not line.startswith("@@@")]
    words = {
        "host": shlex.quote(host),
        "bare": shlex.quote(re.sub(r"^ssh://|^[^@]*@", "", host)),
        "last": lines[-1] if lines else "ssh ended without a word",
    }
    unknown = ("", "{host}: ssh failed: {last}", "try: ssh {host} true", not lines)
    said = next(row for row in (*SSH_SAYS, unknown) if re.search(row[0], stderr))
    return LinkError(said[1].format(**words), said[2].format(**words), said[3])


def command_error(host: str, argv: list[str], stderr: str, status: int) -> LinkError:
    """Return the error for a command that ran on the board and failed there."""
    last = (_lines(stderr) or [f"exit status {status}"])[-1]
    if any(word in stderr for word in ("No space left on device", "Disk quota exceeded")):
        return LinkError(
            f"{host}: the board's disk is full ({last})",
            "make room there (df -h); then the same command goes on",
        )
    closed = any(word in stderr for word in ("Permission denied", "Read-only file system"))
    folders = "choose folders that you may write there: workdir = and cache = under [board.NAME]"
    return LinkError(
        f"{host}: {last}", folders if closed else "the command was: " + shlex.join(argv[:4])
    )


def _lines(stderr: str) -> list[str]:
    return [line.strip() for line in stderr.splitlines() if line.strip()]
