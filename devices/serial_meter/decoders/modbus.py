"""Modbus RTU meters: one read of one block of registers, and its reply with a checksum.

Function 3 and 4 only. Sources: the manuals of PZEM-004T v3 and PZEM-003/017, and the register maps
of Riden supplies; the blocks stand in `profiles/frame.py`.
"""

import struct
from typing import Any, Dict, List, Sequence, Tuple

from joulebird.devices.serial_meter.decoders.checksums import crc
from joulebird.devices.serial_meter.decoders.readonly import modbus_request
from joulebird.devices.serial_meter.records import QUANTITIES, Ask, Decoder, Record, judge
from joulebird.harness.core.errors import SourceError

ANY_UNIT = 0xF8  # the general address of a PZEM that is alone on the line


def register_value(data: bytes, offset: int, kind: str) -> float:
    """Read one number from a block: u16, u32 (low word first), U32 (high word first) or f32.

    `offset` counts registers. A float that is NaN means no data and an infinite one over range
    (Yokogawa, IM WT310-17EN).

    >>> register_value(bytes.fromhex("86a00001"), 0, "u32")
    100000
    >>> register_value(bytes.fromhex("7f800000"), 0, "f32")
    inf
    """
    layout = {"u16": ">H", "u32": ">HH", "U32": ">I", "f32": ">f"}[kind]
    low, *high = struct.unpack_from(layout, data, 2 * offset)
    number: float = high[0] << 16 | low if high else low
    return number


class ModbusDecoder(Decoder):
    """Replies in, readings out; also the requests.

    A frame is believed when unit, function, length and checksum are right.
    """

    def __init__(self, meter: Any) -> None:
        Decoder.__init__(self, meter)
        self.unit, self.function = self.settings["unit"], self.settings["function"]
        self.block: Tuple[int, int] = (self.settings["start"], self.settings["count"])
        self.asked = self.block

    def _ask(self, block: Sequence[int], answer: str) -> Ask:
        body = struct.pack(">BBHH", self.unit, self.function, block[0], block[1])
        return Ask(modbus_request(body + crc(body)), answer)

    def start(self) -> List[Ask]:
        """Ask which model it is, if it can say."""
        block = self.settings.get("identity")
        return [self._ask(block, "identity")] if block else []

    def poll(self) -> List[Ask]:
        """Ask for the block of the readings."""
        return [self._ask(self.block, "reading")]

    def sent(self, data: bytes) -> None:
        """Note which block was asked for."""
        Decoder.sent(self, data)
        if len(data) == 8:  # else it is from the log of another kind of meter
            if crc(data[:-2]) != data[-2:]:
                raise SourceError(
                    f"the request {data.hex()} fails its checksum", "the raw log is damaged there"
                )
            self.asked = struct.unpack(">HH", data[2:6])

    def feed(self, data: bytes) -> List[Record]:
        """Take the next bytes; a frame may begin at each of them, after garbage too."""
        self.buffer += data
        records = []
        while self.buffer:
            length = self._length(self.buffer[:3])
            frame, step = self.buffer[:length], 1
            if len(frame) < length:
                break
            if length and crc(frame[:-2]) == frame[-2:]:
                records.append(self._frame(frame))
                step = length
            elif length:
                records.append(Record("damaged", {}, "checksum"))
            self.buffer = self.buffer[step:]
        return records

    def _length(self, head: bytes) -> int:
        """Length of the frame that begins so; 0 when none can.

        A beginning that is too short counts as the longest.
        """
        whole = 5 + 2 * self.asked[1]
        if head[0] != self.unit and self.unit != ANY_UNIT:
            return 0
        if len(head) < 2:
            return whole
        if head[1] == self.function | 0x80:
            return 5
        other = head[1] != self.function or (len(head) > 2 and head[2] != 2 * self.asked[1])
        return 0 if other else whole

    def _frame(self, frame: bytes) -> Record:
        if frame[1] & 0x80:
            facts = {"unit": frame[0], "function": frame[1] & 0x7F, "exception": frame[2]}
            return Record("flagged", facts, f"exception {frame[2]}")
        data = frame[3:-2]
        if list(self.asked) == self.settings.get("identity"):
            return self._identity(data)
        fields = {
            name: register_value(data, offset, kind) * factor
            for name, offset, kind, factor in self.settings["layout"]
        }
        return judge(self.meter.gates, fields, *(fields.get(name) for name in QUANTITIES))

    def _identity(self, data: bytes) -> Record:
        model, high, low, firmware = struct.unpack(">HHHH", data)
        fields: Dict[str, Any] = {"model_id": model, "serial": high << 16 | low, "fw": firmware}
        known = model // 10 == self.settings["model_id"]
        wrong = "" if known else f"this is not a {self.meter.title}: its model is {model}"
        return Record("damaged" if wrong else "identity", fields, wrong)
