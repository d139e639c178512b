"""The names of a board, from the environment that a record holds."""

from typing import Any


def board_of(environment: dict[str, Any], serials: dict[str, set[str]] | None = None) -> str:
    """Return a board's name with its serial number.

    A record without one falls back to its host: `serials` are the serial numbers known of each.

    >>> board_of({"board": "quill", "host": "tx2", "board_serial": "0320"})
    'quill (serial 0320)'
    >>> board_of({"host": "tx2"}), board_of({"host": "tx2"}, {"tx2": {"0320"}})
    ('tx2', 'tx2 (serial 0320)')
    """
    names = (environment.get(key) for key in ("board", "host", "machine"))
    name = word_of(next(filter(None, names), "?"))
    of_host = (serials or {}).get(environment.get("host", ""), set())
    serial = environment.get("board_serial") or (min(of_host) if len(of_host) == 1 else "")
    return f"{name} (serial {serial})" if serial else name


def serials_of(environments: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return the serial numbers known of each host."""
    known: dict[str, set[str]] = {}
    for environment in environments:
        if environment.get("board_serial"):
            known.setdefault(environment.get("host", ""), set()).add(environment["board_serial"])
    return known


def names_of(environment: dict[str, Any]) -> list[str]:
    """Return the names of a board, the surest first: serial number, label, host, model."""
    label, model = board_of(environment), environment.get("board")
    names = (
        environment.get("board_serial"),
        label,
        environment.get("host"),
        model and word_of(model),
    )
    return [name for name in names if name]


def word_of(value: Any) -> str:
    """Return a short name of a board or power mode, which records hold as a word or as facts."""
    if not isinstance(value, dict):
        return str(value)
    names = (value.get(key) for key in ("serial", "name", "model", "id"))
    return str(next((name for name in names if name not in (None, "")), "?"))
