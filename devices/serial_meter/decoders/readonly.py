"""The guard on everything that is sent: questions, and settings of a meter's own display.

Nothing that could change an output.

A bench supply that feeds the board is a power meter too, and one wrong command would switch the
board off in the tenth hour.
"""

import re

from joulebird.harness.core.errors import SourceError

QUERY = re.compile(r"^[*:A-Za-z][\w:]*\?(?: [^;?\r\n]*)?\Z")
# Questions that make an instrument act.
SELF_TEST = re.compile(r"^(\*TST|\*CAL|:?CAL)", re.IGNORECASE)
ANY_INSTRUMENT = ("", "*CLS", "SYST:REM", "SYST:REMOTE")
METER_SETTING = re.compile(
    r"^:?(COMM:(HEAD|VERB) (ON|OFF)|COMM:WAIT \d+|HEAD(ER)? OFF|NUM:FORM ASCII|NUM:NORM:NUM \d+"
    r"|NUM:NORM:ITEM\d+ \w+(,\d)?|STAT:FILT\d+ \w+|INP:(VOLT|CURR):RANG [\d.]+M?[VA]|INP:MODE \w+"
    r"|RATE [\d.]+M?S|SAMP:RATE [\d.]+M?S|INT:MODE MAN|INT:FUNC WATT"
    r"|CHAN:MEAS:FUNC [\w,]+|RECTIFIER \w+|(VOLTAGE|CURRENT):RANGE [\d.]+)\Z",
    re.IGNORECASE,
)
LINE_ACTS = re.compile(
    r"(OUTP|VSET|ISET|VOLT|CURR|\bON\b|\bOFF\b|RST|RESET|RELAY|POWER|WRITE|ERASE|CAL)",
    re.IGNORECASE,
)


def scpi_command(text: str, supply: bool = True) -> str:
    """Return a command that only asks, or (not for a `supply`) sets a meter's display.

    Raises SourceError for any other.

    >>> scpi_command("MEAS:POW?"), scpi_command(":INP:VOLT:RANG 30V", supply=False)
    ('MEAS:POW?', ':INP:VOLT:RANG 30V')
    """
    asks = QUERY.match(text) and not SELF_TEST.match(text)
    if asks or text in ANY_INSTRUMENT or (not supply and METER_SETTING.match(text)):
        return text
    raise SourceError(
        f"refusing to send {text!r}: it is not a question",
        "a power source only reads; make this setting on the instrument itself",
    )


def line_command(text: str) -> str:
    r"""Give the start command of a text board back, unless it could switch or set something.

    Else SourceError.

    >>> line_command("MODE RAW\n")
    'MODE RAW\n'
    """
    if LINE_ACTS.search(text):
        raise SourceError(
            f"refusing to send {text!r} as a start command: it could change an output",
            "give the command that only starts the readings, or start them on the board itself",
        )
    return text


def modbus_request(frame: bytes) -> bytes:
    """Give a request frame back if it is a read (function 3 or 4); else SourceError.

    >>> modbus_request(bytes.fromhex("01040000000a700d")).hex()
    '01040000000a700d'
    """
    if len(frame) != 8 or frame[1] not in (3, 4):
        raise SourceError(
            f"refusing to send the Modbus request {frame.hex()}: it is not a read",
            "a power source only reads registers (functions 3 and 4)",
        )
    return frame
