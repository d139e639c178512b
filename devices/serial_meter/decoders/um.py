"""RDTech UM24C, UM25C and UM34C: one byte asked, 130 bytes answered, big-endian.

Layout after the open drivers of libsigrok (rdtech-um) and rdserialtool. Only the UM34C has a
checksum, and it covers 32 of the bytes; so a frame is believed when model, tail, checksum and volts
x amperes = watts are right.
"""

import struct
from typing import Any, List

from joulebird.devices.serial_meter.decoders.checksums import xor
from joulebird.devices.serial_meter.records import QUANTITIES, Ask, Decoder, Fields, Record, judge

POLL = b"\xf0"  # no other byte is ever sent
MODELS = {
    0x0963: ("UM24C", 100.0, 1000.0),
    0x09C9: ("UM25C", 1000.0, 10000.0),
    0x0D4C: ("UM34C", 100.0, 1000.0),
}
GROUPS = [f"group{i}_{unit}" for i in range(10) for unit in ("Ah", "Wh")]
FRAME = struct.Struct(">HHHIHHH20IHHHIIHIHHHIH2s")  # 130 bytes
NAMES = [
    *("model", "voltage_V", "current_A", "power_W", "temp_C", "temp_F", "data_group"),
    *GROUPS,
    *("dplus_V", "dminus_V", "charge_mode", "record_Ah", "record_Wh", "record_threshold_A"),
    *("record_s", "recording", "screen_timeout", "brightness", "resistance_ohm", "screen", "tail"),
]
STEPS = dict(  # how many of a number are one of its unit
    dict.fromkeys(["power_W", "record_Ah", "record_Wh", *GROUPS], 1000.0),
    **dict.fromkeys(["dplus_V", "dminus_V", "record_threshold_A"], 100.0),
    resistance_ohm=10.0,
)
TAIL = b"\xff\xf1"
SUMMED = (  # the bytes under the UM34C's checksum
    *(1, 3, 7, 9, 15, 17, 19, 23, 31, 39, 41, 45, 49, 53, 55, 57),
    *(59, 63, 67, 69, 73, 79, 83, 89, 97, 99, 109, 111, 113, 119, 121, 127),
)


def unpack(frame: bytes) -> Fields:
    """Give all that stands in a frame of 130 bytes of a known model, by name."""
    fields: Fields = dict(zip(NAMES, FRAME.unpack(frame)))
    name, volt_steps, amp_steps = MODELS[fields["model"]]
    steps = dict(STEPS, voltage_V=volt_steps, current_A=amp_steps)
    fields.update((key, fields[key] / steps[key]) for key in steps)
    fields.update(model=name, recording=bool(fields["recording"]), tail=fields["tail"].hex())
    return fields


def damage(frame: bytes, model: str) -> str:
    """Return the fault in a frame's structure, or ""; `model` is the announced meter."""
    number = struct.unpack_from(">H", frame)[0]
    if MODELS[number][0] != model:
        return f"this is not a {model}: its number is {number:04x}"
    if model != "UM34C":
        return "" if frame[128:130] == TAIL else "tail"
    return "" if frame[129] == xor(bytes(frame[i] for i in SUMMED)) else "checksum"


class UmDecoder(Decoder):
    """Frames in, readings out."""

    def __init__(self, meter: Any) -> None:
        Decoder.__init__(self, meter)
        self.model = self.settings["model"]
        self.heads = [struct.pack(">H", number) for number in MODELS]

    def poll(self) -> List[Ask]:
        """Ask for one snapshot."""
        return [Ask(POLL, "reading")]

    def feed(self, data: bytes) -> List[Record]:
        """Take the next bytes; a frame is looked for wherever a model's number stands."""
        self.buffer += data
        records: List[Record] = []
        while True:
            begins = [at for at in (self.buffer.find(head) for head in self.heads) if at >= 0]
            if not begins:
                self.buffer = self.buffer[-1:]
                return records
            self.buffer = self.buffer[min(begins) :]
            if len(self.buffer) < FRAME.size:
                return records
            records.append(self._frame(self.buffer[: FRAME.size]))
            self.buffer = self.buffer[1 if records[-1].kind == "damaged" else FRAME.size :]

    def _frame(self, frame: bytes) -> Record:
        fields, wrong = unpack(frame), damage(frame, self.model)
        values = (fields[name] for name in QUANTITIES)
        return judge(self.meter.gates, fields, *values, wrong=wrong)
