"""Define the records that a decoder makes of bytes, and the gates that a reading must pass."""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

Fields = Dict[str, Any]
QUANTITIES = ("power_W", "voltage_V", "current_A")  # the fields that most decoders judge


class Record(NamedTuple):
    """One message of a meter.

    `kind`: "reading" (has `power_w`), "flagged" (the meter itself reports that it has no value),
    "damaged" (fails a checksum, its structure or a gate; never a number), "identity" (who the meter
    is) or "note" (anything else that is in order). `fields` holds all that the frame carries, in
    the units its names say; `reason` is why a record is flagged or damaged.
    """

    kind: str
    fields: Fields
    reason: str = ""
    power_w: Optional[float] = None


class Gates(NamedTuple):
    """The plausible range of a meter, and how well volts times amperes must agree with the watts.

    `vi_rel` of 0 means no such check. On AC (`ac`) the product is an upper bound, because the power
    factor is at most 1. `sentinels` are watts that mean "no data".
    """

    max_w: float = 3000.0
    max_v: float = 650.0
    max_a: float = 25.0
    min_w: float = -0.5
    vi_rel: float = 0.02
    vi_abs_w: float = 0.03
    ac: bool = False
    sentinels: Tuple[float, ...] = ()


class Ask(NamedTuple):
    """Bytes to send, and the kind of record that answers them ("" when nothing does.

    `needed` when no answer is an error).
    """

    data: bytes
    answer: str = ""
    needed: bool = True


def out_of_gate(
    gates: Gates,
    power_w: float,
    voltage_v: Optional[float],
    current_a: Optional[float],
    factor: Optional[float] = None,
) -> str:
    """Return the gate that a reading fails, or "".

    `factor` is the power factor, where a meter gives it.

    >>> out_of_gate(Gates(), 12.0, 19.02, 0.631), out_of_gate(Gates(), 52.0, 19.02, 0.631)
    ('', '52 W is not 19.02 V x 0.631 A')
    """
    if not gates.min_w <= power_w <= gates.max_w:
        return f"{power_w:g} W is outside {gates.min_w:g} to {gates.max_w:g} W"
    for value, limit, unit in ((voltage_v, gates.max_v, "V"), (current_a, gates.max_a, "A")):
        if value is not None and abs(value) > limit:
            return f"{value:g} {unit} is above {limit:g} {unit}"
    if not gates.vi_rel or voltage_v is None or current_a is None:
        return ""
    apparent = voltage_v * current_a * (1.0 if factor is None else factor)
    slack = gates.vi_abs_w + gates.vi_rel * max(abs(apparent), abs(power_w))
    low = -slack if gates.ac and factor is None else apparent - slack
    return (
        ""
        if low <= power_w <= apparent + slack
        else f"{power_w:g} W is not {voltage_v:g} V x {current_a:g} A"
    )


def judge(
    gates: Gates,
    fields: Fields,
    power_w: Optional[float],
    voltage_v: Optional[float] = None,
    current_a: Optional[float] = None,
    factor: Optional[float] = None,
    *,
    wrong: str = "",
) -> Record:
    """Turn the numbers of one intact frame into a reading, or give the reason why they are none.

    A power that the meter does not give is volts times amperes on DC. An infinite number is over
    range, a missing one no data. `wrong` is a fault that is known already.

    >>> judge(Gates(), {}, None, 19.0, 0.5).power_w
    9.5
    >>> judge(Gates(), {}, float("inf"), 19.0, 0.5).reason
    'over_range'
    """
    if wrong:
        return Record("damaged", fields, wrong)
    known = [x for x in (power_w, voltage_v, current_a) if x is not None]
    if any(map(math.isnan, known)):
        return Record("flagged", fields, "no_data")
    if any(map(math.isinf, known)):
        return Record("flagged", fields, "over_range")
    if power_w is None and not (voltage_v is None or current_a is None or gates.ac):
        power_w = voltage_v * current_a
    if power_w is None or power_w in gates.sentinels:
        return Record("flagged", fields, "no_data")
    wrong = out_of_gate(gates, power_w, voltage_v, current_a, factor)
    return Record("damaged", fields, wrong) if wrong else Record("reading", fields, power_w=power_w)


class Decoder:
    """Bytes in, records out, for one family of meters, without clock, port or thread.

    `meter` is a `meters.Meter`. A decoder also knows the questions, because an answer is read by
    its question.
    """

    polled = True  # False for a meter that talks by itself

    def __init__(self, meter: Any) -> None:
        self.meter = meter
        self.settings: Dict[str, Any] = meter.settings
        self.buffer = b""

    def start(self) -> List[Ask]:
        """Return the commands and questions after the port has been opened."""
        return []

    def poll(self) -> List[Ask]:
        """Return the questions of each reading; none for a meter that talks by itself."""
        return []

    def stop(self) -> List[Ask]:
        """Return the commands before the port is closed."""
        return []

    def sent(self, data: bytes) -> None:
        """Note that something was sent: bytes of a polled meter before it are void."""
        if self.polled:
            self.buffer = b""

    def feed(self, data: bytes) -> List[Record]:
        """Take the next bytes and give the records that they complete, in order."""
        raise NotImplementedError

    def resync(self) -> None:
        """Forget the unfinished frame: the next bytes may begin in the middle of one."""
        self.buffer = b""
