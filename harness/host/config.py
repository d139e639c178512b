"""Where settings come from: flags, then the environment, then ~/.config/joulebird/config.toml, then defaults.

[defaults]
board = "tx2"                   # also JOULEBIRD_BOARD, --board
runs = "runs"                   # also JOULEBIRD_RUNS, --runs

[board.tx2]
host = "tx2"                    # any name ssh knows, or user@host, or ssh://user@host:port
python = "python3"
workdir = "joulebird"           # runs and jobs on the board; relative to the home there
cache = ".cache/joulebird"      # code and data sets on the board
launcher = []                   # e.g. ["docker", "run", "--rm", "--runtime", "nvidia", "-v", "/home:/home", "IMAGE"]
source = "ina3221"              # default: the best one found there
prepare = "MAXN"                # run as with --prepare MAXN ("": in the present mode); default: leave the board as it is
ssh = ["ssh"]                   # the client to use, with options of your own: ["ssh", "-F", "/path/to/config"]
lock = "/tmp/joulebird.lock"    # one run at a time on a board, whoever starts it

[board.tx2.env]                 # a non-interactive shell reads no profile: everything a run needs is said here
OPENBLAS_CORETYPE = "ARMV8"
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomllib

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import nearest

BOARD_ENVIRONMENT = MappingProxyType(
    {
        "OPENBLAS_CORETYPE": "ARMV8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "LC_ALL": "C.UTF-8",
    }
)
FORBIDDEN_IN_HOST = set("'`\"$\\;&<>|(){},*?!#") | {chr(code) for code in range(33)} | {"\x7f"}


@dataclass(frozen=True)
class Board:
    """How to reach one board and how to run Python there; see the module's text for each field."""

    name: str
    host: str = ""
    python: str = "python3"
    workdir: str = "joulebird"
    cache: str = ".cache/joulebird"
    launcher: tuple[str, ...] = ()
    source: str = ""
    prepare: str | None = None
    ssh: tuple[str, ...] = ("ssh",)
    lock: str = "/tmp/joulebird.lock"
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Every variable that is set for a command on the board: ours, and over them the user's."""
        return {**BOARD_ENVIRONMENT, **self.env}


@dataclass(frozen=True)
class Config:
    """The configuration file as read: defaults, and boards by name. `path` is the file, or None when there is none."""

    path: Path | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    boards: Mapping[str, Board] = field(default_factory=dict)

    def board(self, name: str) -> Board:
        """The board of this name; a name that is not in the file is taken as a host name for ssh."""
        found = self.boards.get(name)
        return (
            found
            if found is not None
            else _checked(Board(name=name, host=name), "the board's name")
        )

    def value(
        self,
        key: str,
        flag: str | None = None,
        env: Mapping[str, str] = os.environ,
        default: str = "",
    ) -> tuple[str, str]:
        """A setting and where it came from: "flag", "environment", "file" or "default".

        >>> Config(defaults={"runs": "a"}).value("runs", None, {"JOULEBIRD_RUNS": "b"})
        ('b', 'environment')
        """
        if flag is not None:
            return flag, "flag"
        if env.get("JOULEBIRD_" + key.upper()):
            return env["JOULEBIRD_" + key.upper()], "environment"
        if key in self.defaults:
            return self.defaults[key], "file"
        return default, "default"


def config_path(env: Mapping[str, str] = os.environ) -> Path:
    """The configuration file: JOULEBIRD_CONFIG, else joulebird/config.toml under XDG_CONFIG_HOME or ~/.config.

    >>> str(config_path({"XDG_CONFIG_HOME": "/x"}))
    '/x/joulebird/config.toml'
    """
    if env.get("JOULEBIRD_CONFIG"):
        return Path(env["JOULEBIRD_CONFIG"]).expanduser()
    base = env.get("XDG_CONFIG_HOME", "")
    root = Path(base) if base.startswith("/") else Path(env.get("HOME") or Path.home()) / ".config"
    return root / "joulebird" / "config.toml"


def load(env: Mapping[str, str] = os.environ) -> Config:
    """Read the user's configuration; an absent file gives the defaults, unless JOULEBIRD_CONFIG named it. Raises HarnessError."""
    path = config_path(env)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if env.get("JOULEBIRD_CONFIG"):
            raise HarnessError(
                f"{path}: no such file",
                "JOULEBIRD_CONFIG names it: create it with `joulebird board add`, or unset it",
            ) from None
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(
            f"{path}: cannot be read ({error})", "check its permissions, and that it is UTF-8 text"
        ) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """A configuration from TOML text; unknown keys and wrong types raise HarnessError that names them and the nearest known key."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HarnessError(
            f"{path}: not valid TOML: {error}",
            "correct that line; `joulebird board add` shows a board's table",
        ) from None
    _known(data, ("defaults", "board"), str(path))
    defaults = _table(data.get("defaults", {}), f"{path}: [defaults]")
    _known(defaults, ("board", "runs"), f"{path}: [defaults]")
    for key in defaults:
        _typed(defaults, key, str, f"{path}: [defaults]")
    boards = {
        name: _board(name, table, path)
        for name, table in _table(data.get("board", {}), f"{path}: [board]").items()
    }
    return Config(path, defaults, boards)


def _board(name: str, table: Any, path: Path) -> Board:
    where = f"{path}: [board.{name}]"
    table = dict(_table(table, where))
    _known(table, [f.name for f in fields(Board) if f.name != "name"], where)
    for key in ("host", "python", "workdir", "cache", "source", "prepare", "lock"):
        _typed(table, key, str, where)
    for key in ("launcher", "ssh"):
        if key in table:
            table[key] = tuple(_strings(table[key], f"{where} {key}"))
    for key, value in _table(table.get("env", {}), where + ".env").items():
        if not isinstance(value, str) or not key.isidentifier():
            raise HarnessError(
                f"{where}.env: {key} is not a variable with a text value",
                f'write {key} = "..." in quotes',
            )
    return _checked(Board(**{"host": name, **table, "name": name}), f"{where} host")


def _checked(board: Board, where: str) -> Board:
    """Refuse a host that ssh or a ProxyCommand could take for an option or a command, and empty or absurd paths."""
    bad = sorted(set(board.host) & FORBIDDEN_IN_HOST)
    if not board.host or board.host.startswith("-") or bad:
        why = (
            "is empty"
            if not board.host
            else "begins with a dash"
            if board.host.startswith("-")
            else f"contains {bad[0]!r}"
        )
        raise HarnessError(
            f"{where}: {board.host!r} {why}: not a host name",
            'give a name that ssh knows: host = "..." under [board.NAME]',
        )
    if not board.ssh or not board.python or not board.workdir or not board.cache or not board.lock:
        raise HarnessError(
            f"board {board.name!r}: ssh, python, workdir, cache and lock cannot be empty",
            "leave the key out to get its default",
        )
    for path in (
        board.workdir,
        board.cache,
        board.lock,
        board.python,
        *board.launcher,
        *board.env.values(),
    ):
        if "\0" in path or "\n" in path:
            raise HarnessError(
                f"board {board.name!r}: {path!r} contains a line break", "use one line a value"
            )
    if ":" in board.cache:
        raise HarnessError(
            f"board {board.name!r}: cache cannot contain a colon",
            "Python would take it for two folders",
        )
    return board


def _known(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    known = list(known)
    for key in table:
        if key not in known:
            raise HarnessError(f"{where}: unknown key {key!r}", nearest(key, known))


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise HarnessError(
            f"{where}: must be a table, not {value!r}",
            "see `joulebird board add` for a board's table",
        )
    return value


def _typed(table: Mapping[str, Any], key: str, kind: type, where: str) -> None:
    if key in table and not isinstance(table[key], kind):
        raise HarnessError(
            f"{where}: {key} must be {kind.__name__}, not {table[key]!r}",
            f'write {key} = "..." in quotes',
        )


def _strings(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise HarnessError(
            f"{where}: must be a list of strings, not {value!r}",
            'one string for each word: ["docker", "run"]',
        )
    return value
