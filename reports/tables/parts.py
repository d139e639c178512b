"""A table of the parts of logs: the energy of each second, minute or mark."""

from fractions import Fraction
from typing import Any, NamedTuple

from joulebird.reports.logs.energy import Energy
from joulebird.reports.logs.parts import Part
from joulebird.reports.tables.table import Cell, Column, Row, Table


class Split(NamedTuple):
    """The parts of one log: the energies of each by rail, those of the whole, each boot's begin."""

    log: str
    parts: list[Part]
    energies: list[dict[str, Energy]]
    whole: dict[str, Energy]
    zeros_s: dict[str, float]

    @property
    def facts(self) -> dict[str, Any]:
        """Return the parts and their sums as JSON values; times are those of the log's clock."""
        parts = [
            {
                "name": part.name,
                "begin_s": part.begin_s,
                "end_s": part.end_s,
                "boot_id": part.boot_id or None,
                "note": part.note,
                "energies": {rail: energy.as_dict() for rail, energy in energies.items()},
            }
            for part, energies in zip(self.parts, self.energies, strict=True)
        ]
        sums = {
            rail: {
                "recorded_j": float(self._recorded(rail)),
                "whole_recorded_j": float(whole.measured_j),
                "exact": self._recorded(rail) == whole.measured_j,
                "void": sum(energies[rail].void for energies in self.energies),
            }
            for rail, whole in self.whole.items()
        }
        return {"parts": parts, "sum": sums}

    def _recorded(self, rail: str) -> Fraction:
        return sum((energies[rail].measured_j for energies in self.energies), Fraction(0))

    @property
    def note(self) -> str:
        """Return how the recorded joules of the parts add up, and the number of void parts."""
        rail = next(iter(self.whole))
        recorded, whole = self._recorded(rail), self.whole[rail]
        count = f"{len(self.parts)} part{'' if len(self.parts) == 1 else 's'}"
        text = f"{count}: {float(recorded):.6g} J recorded, exactly as in the whole"
        if recorded != whole.measured_j:
            counted = "its counter shows the rest between readings too far apart to be divided"
            text = f"{count}: {float(recorded):.6g} J recorded, {float(whole.measured_j):.6g} J in "
            text += f"the whole: {whole.void_reason or counted}"
        void = sum(energies[rail].void for energies in self.energies)
        holes = any(energies[rail].covered_s < energies[rail].seconds for energies in self.energies)
        text += "; holes count with the mean power of their own part" if holes else ""
        return text + (f"; {void} void, without a number" if void else "")


def parts_table(splits: list[Split], title: str) -> Table:
    """Return a row for each part: its joules on each rail, and more of the first one (the total).

    Times are seconds after the first row of the boot. Several logs have a column for their names,
    and so have several boots.
    """
    rails = list(dict.fromkeys(rail for split in splits for rail in split.whole))
    boots = len({part.boot_id for split in splits for part in split.parts}) > 1
    columns = (
        *[Column("log", number=False)] * (len(splits) > 1),
        *[Column("boot", number=False)] * boots,
        Column("part", number=False),
        Column("from (s)"),
        Column("to (s)"),
        Column(f"{rails[0]} (J)"),
        *map(Column, ("± 95 % (J)", "mean (W)", "recorded (%)")),
        *(Column(f"{rail} (J)") for rail in rails[1:]),
        Column("note", number=False),
    )
    rows = (
        (
            *[Cell(split.log)] * (len(splits) > 1),
            *[Cell(part.boot_id or "")] * boots,
            Cell(part.name),
            *_cells(part, energies, rails, split.zeros_s.get(part.boot_id or "", 0.0)),
        )
        for split in splits
        for part, energies in zip(split.parts, split.energies, strict=True)
    )
    notes = (f"{split.log}: " * (len(splits) > 1) + split.note for split in splits)
    return Table(title, columns, tuple(rows), tuple(notes))


def _cells(part: Part, energies: dict[str, Energy], rails: list[str], zero_s: float) -> Row:
    """Return the times of a part, its numbers, and the words and faults that go with them."""
    first = energies[rails[0]]
    times = (f"{time_s - zero_s:.6f}".rstrip("0").rstrip(".") for time_s in part[1:3])
    void = dict.fromkeys(energy.void_reason for energy in energies.values() if energy.void)
    notes = [*first.words, part.note, *(f"void: {reason}" for reason in void)]
    return (
        *map(Cell, times),
        _number(first.joules, "void"),
        Cell("" if first.u_joules is None else f"{first.u_joules:.2g}"),
        _number(first.watts),
        Cell(f"{100 * first.coverage:.1f}"),
        *(
            _number(energies[rail].joules, "void") if rail in energies else Cell("")
            for rail in rails[1:]
        ),
        Cell("; ".join(filter(None, notes))),
    )


def _number(value: float | None, absent: str = "") -> Cell:
    return Cell(absent if value is None else f"{value:.6g}", value)
