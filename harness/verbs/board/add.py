"""joulebird board add [NAME] [HOST]: try a board over ssh and write it into the configuration.

HOST is any name that ssh knows (`ssh HOST true` must work without a question); NAME is your name
for the board. Nothing is installed.
"""

import json
import sys

from joulebird.harness.cli.arguments import Namespace, own, word
from joulebird.harness.cli.output import put
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host import config
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.ssh import Link

ARGUMENTS = (
    own(
        "name",
        nargs="?",
        type=word,
        default="tx2",
        metavar="NAME",
        help="what to call the board (default: %(default)s)",
    ),
    own("host", nargs="?", metavar="HOST", help="its name for ssh (default: NAME)"),
    own(
        "--python",
        default="python3",
        metavar="P",
        help="the interpreter there (default: %(default)s)",
    ),
    own("--no-try", action="store_true", help="write the table without connecting"),
)


def main(args: Namespace) -> int:
    """Connect, look, write."""
    path = config.config_path()
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if args.name in config.parse(before, path).boards:
        raise HarnessError(
            f"{path}: has a board {args.name!r} already", "edit its table, or choose another name"
        )
    text = before + ("\n" if before else "") + table(args.name, args.host or args.name, args.python)
    board = config.parse(text, path).boards[args.name]
    if not args.no_try:
        facts = Agent(Link(board)).call("facts")
        sys.stderr.write(
            f"{args.name}: {facts['hostname']}, {facts['machine']}, Python {facts['python']}, "
            f"{facts['free_bytes'] / 1e9:.1f} GB free\n"
        )
        if not facts["linger"]:
            sys.stderr.write(
                "  runs will go on after the connection ends; "
                "with `loginctl enable-linger` there, as a unit of systemd\n"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    put(text, str(path))
    sys.stdout.write(f"{path}\n")
    sys.stderr.write(f"next: joulebird doctor --board {args.name}\n")
    return 0


def table(name: str, host: str, python: str) -> str:
    """Return a board's table in TOML, with the other settings as comments."""
    quoted = json.dumps(name, ensure_ascii=False)
    return "\n".join(
        [
            f"[board.{quoted}]",
            f"host = {json.dumps(host, ensure_ascii=False)}",
            f"python = {json.dumps(python, ensure_ascii=False)}",
            '# workdir = "joulebird"            # runs on the board, relative to the home there',
            '# source = "ina3221"               # default: the best power source found there',
            '# launcher = ["docker", "run", "--rm", "--runtime", "nvidia", "-v", "/home:/home", '
            '"IMAGE"]',
            f"# [board.{quoted}.env]",
            '# OPENBLAS_CORETYPE = "ARMV8"      # set already; '
            "without it numpy 1.19.5 crashes on a TX2",
            "",
        ]
    )
