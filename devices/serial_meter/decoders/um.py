"""RDTech UM24C, UM25C and UM34C: one byte asked, 130 bytes answered, big-endian.

Layout after the open drivers of libsigrok (rdtech-um) and rdserialtool. Only the UM34C has a
checksum, and it covers 32 of the bytes; so a frame is believed when model, tail, checksum and volts
x amperes = watts are right.
"""

import struct
from functools import reduce
from typing import Any, List

from joulebird.devices.serial_meter.records import Ask, Decoder, Fields, Record, judge

POLL = b"\xf0"  # no other byte is ever sent
LENGTH = 130
MODELS = {
    0x0963: ("UM24C", 100.0, 1000.0),
    0x09C9: ("UM25C", 1000.0, 10000.0),
    0x0D4C: ("UM34C", 100.0, 1000.0),
}
TAIL = b"\xff\xf1"
SUMMED = (
    1,
    3,
    7,
    9,
    15,
    17,
    19,
    23,
    31,
    39,
    41,
    45,
    49,
    53,
    55,
    57,
    59,
    63,
    67,
    69,
    73,
    79,
    83,
    89,
    97,
    99,
    109,
    111,
    113,
    119,
    121,
    127,
)


def unpack(frame: bytes) -> Fields:
    """Give all that stands in a frame of 130 bytes of a known model, by name."""
    model, volts, amps, watts, celsius, fahrenheit, group = struct.unpack_from(">HHHIHHH", frame)
    name, volt_steps, amp_steps = MODELS[model]
    fields: Fields = {
        "model": name,
        "voltage_V": volts / volt_steps,
        "current_A": amps / amp_steps,
        "power_W": watts / 1000.0,
        "temp_C": celsius,
        "temp_F": fahrenheit,
        "data_group": group,
    }
    for i in range(10):
        mah, mwh = struct.unpack_from(">II", frame, 16 + 8 * i)
        fields[f"group{i}_Ah"], fields[f"group{i}_Wh"] = mah / 1000.0, mwh / 1000.0
    dplus, dminus, mode, mah, mwh, threshold, seconds, recording = struct.unpack_from(
        ">HHHIIHIH", frame, 96
    )
    timeout, brightness, ohms, screen = struct.unpack_from(">HHIH", frame, 118)
    fields.update(
        dplus_V=dplus / 100.0,
        dminus_V=dminus / 100.0,
        charge_mode=mode,
        record_Ah=mah / 1000.0,
        record_Wh=mwh / 1000.0,
        record_threshold_A=threshold / 100.0,
        record_s=seconds,
        recording=bool(recording),
        screen_timeout=timeout,
        brightness=brightness,
        resistance_ohm=ohms / 10.0,
        screen=screen,
        tail=frame[128:130].hex(),
    )
    return fields


def damage(frame: bytes, model: str) -> str:
    """Return the fault in a frame's structure, or ""; `model` is the announced meter."""
    number = struct.unpack_from(">H", frame)[0]
    if MODELS[number][0] != model:
        return f"this is not a {model}: its number is {number:04x}"
    if model != "UM34C":
        return "" if frame[128:130] == TAIL else "tail"
    return (
        "" if frame[129] == reduce(lambda a, b: a ^ b, (frame[i] for i in SUMMED)) else "checksum"
    )


class UmDecoder(Decoder):
    """Frames in, readings out."""

    def __init__(self, meter: Any) -> None:
        Decoder.__init__(self, meter)
        self.model = meter.settings["model"]
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
            if len(self.buffer) < LENGTH:
                return records
            record = self._frame(self.buffer[:LENGTH])
            records.append(record)
            self.buffer = self.buffer[1 if record.kind == "damaged" else LENGTH :]

    def _frame(self, frame: bytes) -> Record:
        fields = unpack(frame)
        wrong = damage(frame, self.model)
        if wrong:
            return Record("damaged", fields, wrong)
        return judge(
            self.meter.gates,
            fields,
            fields["power_W"],
            fields["voltage_V"],
            fields["current_A"],
        )
