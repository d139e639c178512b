"""Give sinstruments' server a WT310E: our answers on its serial line and TCP server."""

from sinstruments.simulator import BaseDevice

ANSWERS = {
    b"*IDN?": b"YOKOGAWA,WT310E,C3SIM0001E,F1.04\n",
    b":STAT:EESR?": b"1\n",
    b":STAT:ERR?": b'0,"No error"\n',
    b":NUM:NORM:VAL?": b"19.020E+00,0.6310E+00,12.002E+00,1.2345E+00,3600\n",
}


class WT310(BaseDevice):
    """Knows four questions."""

    newline = b"\n"

    def handle_message(self, message):
        return ANSWERS.get(message.strip())
