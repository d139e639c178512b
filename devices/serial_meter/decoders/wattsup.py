"""Decode Watts Up? Pro, ES and .Net: one packet `#c,s,N,a1,...,aN;` of integers a second.

Source: the maker's "Serial Data Format" 1.8 (CommunicationsProtocol090824.pdf). Bytes outside
`#...;` are ignored, and carriage returns, line feeds and tabs inside count for nothing. Without a
checksum a packet is believed when its count is right, each number lies between its own extremes of
the second, and watts, volt-amperes and power factor agree.
"""

import re
from typing import List, Optional

from joulebird.devices.serial_meter.records import Ask, Decoder, Fields, Record, judge

LONGEST_PACKET = 400
COMMANDS = {  # of a host; only the first three are ever sent
    b"#V,R,0;": "version request",
    b"#L,W,3,E,1,1;": "external logging, every 1 s",
    b"#L,W,0;": "stop external logging",
    b"#R,W,0;": "clear data memory",
}
FIELDS = (  # the quantities of a data packet, and the steps of each in its unit
    *(("W", 10), ("V", 10), ("A", 1000), ("WH", 10), ("Cost", 1), ("WH/Mo", 1), ("Cost/Mo", 1)),
    *(("Wmax", 10), ("Vmax", 10), ("Amax", 1000), ("Wmin", 10), ("Vmin", 10), ("Amin", 1000)),
    *(("PF", 1), ("DC", 1), ("PC", 1), ("Hz", 10), ("VA", 10)),
)
MODELS = ("Std", "PRO", "ES", ".Net")
PACKET = re.compile(r"#([a-z]),[-\w]?,(\d{1,2}),(.*);\Z", re.IGNORECASE)
INTEGER = re.compile(r"\d{1,12}\Z")
PF_SLACK = 5.0  # points; below 60 W the meter's current and power factor are rough


def number(text: str, scale: int) -> Optional[float]:
    """Read one argument of a data packet; "_" is a quantity that is not logged. Raises ValueError.

    >>> number("416", 10), number("_", 10), number("55", 1)
    (41.6, None, 55)
    """
    if text == "_":
        return None
    if not INTEGER.match(text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text) if scale == 1 else int(text) / float(scale)


def disagreement(fields: Fields) -> str:
    """Return how the numbers of one packet contradict each other, or "".

    >>> disagreement({"W": 41.6, "Wmin": 41.6, "Wmax": 41.6, "VA": 46.9, "PF": 88})
    ''
    """
    for name in "WVA":
        low, middle, high = fields.get(name + "min"), fields.get(name), fields.get(name + "max")
        if not (low is None or middle is None or high is None or low <= middle <= high):
            return f"{name} is {middle:g}, but was {low:g} to {high:g}"
    watts, apparent, factor = fields.get("W"), fields.get("VA"), fields.get("PF")
    if watts is None or apparent is None:
        return ""
    if watts > 1.05 * apparent + 0.3:
        return f"{watts:g} W is more than {apparent:g} VA"
    if (
        factor is not None
        and apparent > 0
        and abs(100 * watts / apparent - factor) > PF_SLACK + 20 / apparent
    ):
        return f"{watts:g} W of {apparent:g} VA is not a power factor of {factor:g} %"
    return ""


class WattsupDecoder(Decoder):
    """Packets in, readings out; asks the meter to send one each second."""

    polled = False

    def start(self) -> List[Ask]:
        """Stop its output, ask its identity, and have it send each second."""
        return [Ask(b"#L,W,0;"), Ask(b"#V,R,0;", "identity", needed=False), Ask(b"#L,W,3,E,1,1;")]

    def stop(self) -> List[Ask]:
        """Have it stop sending."""
        return [Ask(b"#L,W,0;")]

    def feed(self, data: bytes) -> List[Record]:
        """Take the next bytes and read each packet that they end.

        A `#` inside a packet begins a new one.
        """
        _, *pieces = (self.buffer + data.translate(None, b"\r\n\t")).split(b"#")
        self.buffer = b""
        records = []
        for count, piece in enumerate(pieces, 1):
            packet, end, _ = piece.partition(b";")
            if end:
                records.append(self._packet(b"#" + packet + end))
            elif count < len(pieces):
                records.append(Record("damaged", {}, "a packet without its end"))
            elif len(piece) < LONGEST_PACKET:
                self.buffer = b"#" + piece
            else:
                records.append(Record("damaged", {}, f"no end of packet in {LONGEST_PACKET} bytes"))
        return records

    def _packet(self, packet: bytes) -> Record:
        if packet in COMMANDS:  # an echo of ours
            return Record("note", {"command": COMMANDS[packet]})
        try:
            match = PACKET.match(packet.decode("ascii"))
            if not match:
                raise ValueError("not a packet of this meter")
            letter, count, rest = match.groups()
            arguments = rest.split(",")
            if len(arguments) != int(count):
                raise ValueError(f"{len(arguments)} arguments where it says {int(count)}")
            reader = {
                "d": self._data,
                "v": self._version,
                "u": self._user,
                "h": self._header,
            }.get(letter)
            return reader(arguments) if reader else Record("note", {"packet": packet.decode()})
        except ValueError as error:
            return Record("damaged", {}, str(error))

    def _data(self, arguments: List[str]) -> Record:
        if len(arguments) != len(FIELDS):
            raise ValueError(f"{len(arguments)} quantities where there are {len(FIELDS)}")
        fields = {name: number(text, scale) for text, (name, scale) in zip(arguments, FIELDS)}
        wrong = disagreement(fields)
        return (
            Record("flagged", fields, "no_data")
            if fields["W"] is None and not wrong
            else judge(self.meter.gates, fields, fields["W"], fields["V"], fields["A"], wrong=wrong)
        )

    def _version(self, arguments: List[str]) -> Record:
        if len(arguments) != 8 or not all(INTEGER.match(text) for text in arguments):
            raise ValueError("not a version")
        model = int(arguments[0])
        fields: Fields = {
            "model": model,
            "model_name": MODELS[model] if model < len(MODELS) else "?",
            "memory": int(arguments[1]),
            "hw": ".".join(arguments[2:4]),
            "fw": ".".join(arguments[4:6]),
            "fw_time": arguments[6],
        }
        return Record("identity", fields)

    def _user(self, arguments: List[str]) -> Record:
        rate, threshold, euro = (int(number(text, 1) or 0) for text in arguments)
        return Record("note", {"rate_mils_per_kWh": rate, "threshold_W": threshold, "euro": euro})

    def _header(self, arguments: List[str]) -> Record:
        return Record("note", {"fields": arguments})
