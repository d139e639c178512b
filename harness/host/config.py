"""Settings: flags, environment, ~/.config/joulebird/config.toml (docs/formats.md), defaults.

[defaults]
board = "tx2"                   # also JOULEBIRD_BOARD, --board
runs = "runs"                   # also JOULEBIRD_RUNS, --runs
[board.tx2]
host = "tx2"                    # any name ssh knows, or user@host, or ssh://user@host:port
python = "python3"
prepare = "MAXN"                # run as with --prepare MAXN; default: leave the board as it is
[board.tx2.env]                 # a non-interactive shell reads no profile: state all that runs need
OPENBLAS_CORETYPE = "ARMV8"
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tomllib

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host import settings

BOARD_ENVIRONMENT = {
    "OPENBLAS_CORETYPE": "ARMV8",
    "PYTHONUNBUFFERED": "1",
    "PYTHONHASHSEED": "0",
    "LC_ALL": "C.UTF-8",
}


class Board(NamedTuple):
    """The way to one board, and to its Python; `settings.BOARD` has the fields."""

    name: str
    host: str = ""
    python: str = "python3"
    workdir: str = "joulebird"
    cache: str = ".cache/joulebird"
    launcher: tuple[str, ...] = ()
    source: str = ""
    prepare: str | None = None
    ssh: tuple[str, ...] = ("ssh",)
    lock: str = ""  # the machine's
    env: Mapping[str, str] = {}

    def environment(self) -> dict[str, str]:
        """Return every variable of a command on the board; the user's replace ours."""
        return {**BOARD_ENVIRONMENT, **self.env}


class Config(NamedTuple):
    """The configuration: defaults, and boards by name."""

    defaults: Mapping[str, str] = {}
    boards: Mapping[str, Board] = {}

    def board(self, name: str) -> Board:
        """Return the board of this name; a name that is not in the file is a host name for ssh."""
        return self.boards.get(name) or board_of(name, {})

    def value(self, key: str, default: str = "", env: Mapping[str, str] = os.environ) -> str:
        """Return a setting: JOULEBIRD_<KEY> of the environment, else the file's, else the default.

        >>> Config(defaults={"runs": "a"}).value("runs", env={"JOULEBIRD_RUNS": "b"})
        'b'
        """
        return env.get("JOULEBIRD_" + key.upper()) or self.defaults.get(key, default)


def config_path(env: Mapping[str, str] = os.environ) -> Path:
    """Return JOULEBIRD_CONFIG, or joulebird/config.toml in XDG_CONFIG_HOME or ~/.config."""
    if env.get("JOULEBIRD_CONFIG"):
        return Path(env["JOULEBIRD_CONFIG"]).expanduser()
    base = env.get("XDG_CONFIG_HOME", "")
    root = Path(base) if base.startswith("/") else Path(env.get("HOME") or Path.home()) / ".config"
    return root / "joulebird" / "config.toml"


def load(env: Mapping[str, str] = os.environ) -> Config:
    """Read the user's file; absent, it gives the defaults unless JOULEBIRD_CONFIG named it."""
    path = config_path(env)
    try:
        return parse(path.read_text(encoding="utf-8"), path)
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


def parse(text: str, path: Path) -> Config:
    """Return the configuration in a TOML text. Raises HarnessError that names the field."""
    remedy = "correct that line; `joulebird board add` shows a board's table"
    data = from_toml(text.encode("utf-8"), path, remedy)
    settings.CONFIG.check(data, str(path))
    boards = {name: board_of(name, table) for name, table in data.get("board", {}).items()}
    return Config(data.get("defaults", {}), boards)


def from_toml(text: bytes, where: object, remedy: str) -> dict[str, Any]:
    """Return the tables of a TOML text; raises HarnessError that names the place."""
    try:
        return dict(tomllib.loads(text.decode("utf-8")))
    except (ValueError, RecursionError) as error:
        raise HarnessError(f"{where}: not valid TOML: {error}", remedy) from None


def board_of(name: str, table: dict[str, Any]) -> Board:
    """Return the board of a checked table; its name is the host unless the table has one."""
    table = {"host": name, **table}
    settings.BOARD.check(table, f"board {name!r}")
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return Board(name=name, **{**table, **lists})
