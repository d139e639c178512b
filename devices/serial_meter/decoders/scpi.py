"""Decode instruments that answer questions in text: Yokogawa, GW Instek, R&S, Hioki, SCPI supplies.

An answer is read by its question, and an unasked one is refused: after a time-out, the late reply
would be taken for the next question's and look healthy. `profiles/scpi.py` has the instruments.
"""

import re
from typing import Any, List, Optional

from joulebird.devices.serial_meter.decoders.numbers import scpi_numbers
from joulebird.devices.serial_meter.decoders.readonly import scpi_command
from joulebird.devices.serial_meter.records import QUANTITIES, Ask, Decoder, Fields, Record, judge

LONGEST_REPLY = 4096
ERROR = re.compile(r'([+-]?\d+),"(.*)"\Z')


class ScpiDecoder(Decoder):
    """Answers in, readings out; also the questions."""

    def __init__(self, meter: Any) -> None:
        Decoder.__init__(self, meter)
        self.end = self.settings.get("terminator", "\n").encode("ascii")
        self.queries = [(self._fill(query), names) for query, names in self.settings["queries"]]
        self.ignore = re.compile(self.settings.get("ignore") or "")  # no reply is empty
        self.asked: Optional[str] = None  # None: no dialogue is known
        self.parts: Fields = {}

    def _fill(self, text: str) -> str:
        return text.format(**{key: v for key, v in self.settings.items() if isinstance(v, str)})

    def _ask(self, text: str, answer: str = "") -> Ask:
        allowed = scpi_command(self._fill(text), supply=not self.settings.get("wattmeter"))
        return Ask(allowed.encode("ascii") + self.end, answer)

    def start(self) -> List[Ask]:
        """Empty the instrument's input, ask its identity, and set its display."""
        errors = self.settings.get("errors")
        return (
            [self._ask(""), self._ask("*CLS"), self._ask("*IDN?", "identity")]
            + [self._ask(text) for text in self.settings.get("start", [])]
            + ([self._ask(errors, "note")] if errors else [])
        )

    def poll(self) -> List[Ask]:
        """Return the questions of one reading, after a wait for new numbers if possible."""
        fresh = self.settings.get("fresh", [])
        asks = [self._ask(text, "note" if text.endswith("?") else "") for text in fresh]
        kinds = ["note"] * (len(self.queries) - 1) + ["reading"]
        return asks + [self._ask(text, kind) for (text, _), kind in zip(self.queries, kinds)]

    def resync(self) -> None:
        """Forget the question: an answer that still comes is a late one."""
        Decoder.resync(self)
        self.asked, self.parts = "", {}

    def sent(self, data: bytes) -> None:
        """Note the question; a new one voids the answer to the one before."""
        Decoder.sent(self, data)
        text = data.decode("ascii").strip()
        self.asked = text if "?" in text else ""
        if self.asked == self.queries[0][0]:
            self.parts = {}

    def feed(self, data: bytes) -> List[Record]:
        """Take the next bytes and read each answer that they end."""
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        records = [self._line(line) for line in lines if line.strip()]
        if len(self.buffer) > LONGEST_REPLY:
            self.buffer = b""
            records.append(Record("damaged", {}, f"no end of reply in {LONGEST_REPLY} bytes"))
        return records

    def _line(self, line: bytes) -> Record:
        asked, self.asked = self.asked, self.asked and ""
        try:
            text = line.decode("ascii").strip("\r ")
            if self.ignore.fullmatch(text):
                self.asked = asked
                return Record("note", {"text": text})
            unasked = Record("damaged", {"text": text}, "an unasked reply")
            return unasked if asked == "" else self._reply(text, asked)
        except ValueError as error:
            return Record("damaged", {}, str(error))

    def _reply(self, text: str, asked: Optional[str]) -> Record:
        if asked == "*IDN?":
            wanted = self.settings.get("idn", "")
            known = re.match(wanted, text, re.IGNORECASE) and text.count(",") >= 2
            wrong = "" if known else f"this is not a {self.meter.title}: it says {text[:60]!r}"
            return Record("damaged" if wrong else "identity", {"text": text}, wrong)
        error = ERROR.match(text)
        if error:
            return Record("note", {"code": int(error.group(1)), "text": error.group(2)})
        names = self.queries[0][1] if asked is None else dict(self.queries).get(asked)
        last = asked is None or asked == self.queries[-1][0]
        return Record("note", {"text": text}) if names is None else self._numbers(text, names, last)

    def _numbers(self, text: str, names: List[str], complete: bool) -> Record:
        numbers, header = scpi_numbers(
            text, self.settings.get("over", 9.9e37), self.settings.get("units", False)
        )
        fields: Fields = {"values": numbers, "header": header}
        if len(numbers) != len(names):
            return Record(
                "damaged", fields, f"{len(numbers)} values where {len(names)} were asked for"
            )
        known = self.settings.get("names", {})
        named = (
            {known.get(key, key): number for key, number in numbers.items()}
            if isinstance(numbers, dict)
            else dict(zip(names, numbers))
        )
        if set(named) != set(names):
            return Record("damaged", fields, f"the values are named {', '.join(numbers)}")
        self.parts.update(named)
        if not complete:
            return Record("note", fields)
        fields, self.parts = dict(self.parts, **fields), {}
        return judge(self.meter.gates, fields, *(fields.get(name) for name in QUANTITIES))
