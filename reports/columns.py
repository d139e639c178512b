"""Write columns as tidy CSV or Parquet: a name, a unit and one kind of value for each column."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from joulebird.harness.core.errors import HarnessError

Block = dict[str, Sequence[Any]]  # consecutive rows: column -> values, None where there is none
FORMS = ("csv", "parquet")


def block_of(rows: Sequence[dict[str, Any]]) -> Block:
    """Return rows as one block; lists become texts, and a row without a column has None there.

    >>> block_of([{"a": 1}, {"a": 2, "words": ["x", "y"]}])
    {'a': [1, 2], 'words': [None, 'x; y']}
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return {
        name: [
            "; ".join(map(str, one)) if isinstance(one, (list, tuple)) else one for one in values
        ]
        for name, values in columns.items()
    }


def write(path: str, blocks: Iterable[Block], form: str, facts: dict[str, Any]) -> None:
    """Write blocks of equal columns into a file. `facts` stand in the schema of a Parquet file.

    Raises HarnessError when the package for Parquet is not installed.
    """
    stream = iter(blocks)
    first = next(stream)
    (_csv if form == "csv" else _parquet)(path, first, chain([first], stream), facts)


def _csv(path: str, first: Block, blocks: Iterator[Block], facts: dict[str, Any]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(first)
        for block in blocks:
            writer.writerows(zip(*block.values(), strict=True))


def _parquet(path: str, first: Block, blocks: Iterator[Block], facts: dict[str, Any]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise HarnessError(
            "Parquet needs the package 'pyarrow', which is not installed",
            "pip install 'joulebird[parquet]', or write CSV: --form csv",
        ) from None
    kinds = {str: pyarrow.string(), bool: pyarrow.bool_(), int: pyarrow.int64()}
    fields = [(name, kinds.get(_kind(values), pyarrow.float64())) for name, values in first.items()]
    schema = pyarrow.schema(fields, {"joulebird": json.dumps(facts, sort_keys=True)})
    with parquet.ParquetWriter(path, schema) as writer:
        for block in blocks:
            writer.write_table(pyarrow.table(block, schema=schema))


def _kind(values: Sequence[Any]) -> type:
    """Return the one type of a column's values; float for mixed numbers, and without a value.

    Integers beyond 64 bits (FLOPs) are floats too.

    >>> _kind([None, 1]), _kind([1, 2.5]), _kind([None]), _kind([2**63])
    (<class 'int'>, <class 'float'>, <class 'float'>, <class 'float'>)
    """
    types = {type(value) for value in values if value is not None}
    large = types == {int} and any(abs(value) >= 2**63 for value in values if value is not None)
    return types.pop() if len(types) == 1 and not large else float
