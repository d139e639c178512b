# ruff: noqa: E501
"""Seeded changes of the corpus' logs: of their structure, and of single bytes."""

import re


def _lines(data):
    return data.decode("utf-8", "replace").split("\n")


def _join(lines):
    return "\n".join(lines).encode()


def _row(lines, bits, span=1):
    return bits.randrange(min(8, len(lines) - 1), max(len(lines) - 1 - span, min(9, len(lines))))


def tear(data, bits):
    lines = _lines(data)
    at = _row(lines, bits)
    lines[at] = lines[at][: bits.randrange(len(lines[at]) + 1)]
    return _join(lines)


def merge(data, bits):
    lines = _lines(data)
    at = _row(lines, bits, 2)
    lines[at : at + 2] = [lines[at] + lines[at + 1]]
    return _join(lines)


def divide(data, bits):
    lines = _lines(data)
    at = _row(lines, bits)
    cut = bits.randrange(len(lines[at]) + 1)
    lines[at : at + 1] = [lines[at][:cut], lines[at][cut:]]
    return _join(lines)


def repeat_row(data, bits):
    lines = _lines(data)
    at = _row(lines, bits)
    lines.insert(at, lines[at])
    return _join(lines)


def repeat_block(data, bits):
    lines = _lines(data)
    at = _row(lines, bits, 20)
    lines[at + 20 : at + 20] = lines[at : at + 20]
    return _join(lines)


def swap(data, bits):
    lines = _lines(data)
    a, b = _row(lines, bits), _row(lines, bits)
    lines[a], lines[b] = lines[b], lines[a]
    return _join(lines)


def turn(data, bits):
    lines = _lines(data)
    return _join([*lines[:8], *lines[-2:7:-1], ""])


def shuffle(data, bits):
    lines = _lines(data)
    rows = lines[8:-1]
    bits.shuffle(rows)
    return _join([*lines[:8], *rows, ""])


def drop_rows(data, bits):
    lines = _lines(data)
    share = bits.choice((0.01, 0.1))
    last = len(lines) - 2
    return _join([s for i, s in enumerate(lines) if i < 8 or i >= last or bits.random() > share])


def cut_middle(data, bits):
    lines = _lines(data)
    at = _row(lines, bits, 64)
    return _join(lines[:at] + lines[at + 60 :])


def head_again(data, bits):
    lines = _lines(data)
    lines.insert(_row(lines, bits), lines[0])
    return _join(lines)


def headless(data, bits):
    return data.split(b"\n", 1)[1]


def mark(data, bits):
    old, new = bits.sample([",", ";", "\t", "|"], 2)
    return data.decode("utf-8", "replace").replace(old, new).encode()


def unitless(data, bits):
    head, _, rest = data.decode("utf-8", "replace").partition("\n")
    head = re.sub(
        r"[_ ]?[\[(]?(ms|us|ns|mW|uW|kW|mA|uA|mV|mJ|uJ|mw|W|A|V|s)[\])]?(?=[,;\t]|$)", "", head
    )
    return (head + "\n" + rest).encode()


def capitals(data, bits):
    head, _, rest = data.partition(b"\n")
    return (head.upper() if bits.random() < 0.5 else head.lower()) + b"\n" + rest


def extra_column(data, bits):
    lines = _lines(data)
    sign = ";" if ";" in lines[0] else ","
    name = bits.choice(["temp", "note", "GPU util %", "fan rpm", "freq_mhz", "limit_w"])
    front = bits.random() < 0.5
    cells = [name, *(str(bits.randrange(30, 60)) for _ in lines[1:])]
    return _join(
        [(f"{c}{sign}{line}" if front else f"{line}{sign}{c}") if line else line
         for c, line in zip(cells, lines, strict=True)]
    )  # fmt: skip


def turn_columns(data, bits):
    sign = ";" if b";" in data.split(b"\n")[0] else ","
    return _join([sign.join(line.split(sign)[::-1]) if line else line for line in _lines(data)])


def crlf(data, bits):
    return data.replace(b"\n", b"\r\n")


def blanks(data, bits):
    return b"\n\n" + data.replace(b"\n", b"\n\n")


def quote(data, bits):
    lines = _lines(data)
    at = _row(lines, bits)
    cut = bits.randrange(len(lines[at]) + 1)
    lines[at] = lines[at][:cut] + '"' + lines[at][cut:]
    return _join(lines)


def german(data, bits):
    marks = str.maketrans({",": ";", ".": ","})
    return data.decode("utf-8", "replace").translate(marks).encode() if b";" not in data else data


def coarse(data, bits):
    if not re.match(rb"#? ?(time|elapsed)", data, re.I):
        return data
    return re.sub(rb"(?m)^(\d+)\.\d+", rb"\1", data)


def twice(data, bits):
    head, _, rest = data.partition(b"\n")
    return head + b"\n" + rest + rest


STRUCTURAL = (
    german, coarse, twice, tear, merge, divide, repeat_row, repeat_block, swap, turn, shuffle, drop_rows, cut_middle, head_again,
    headless, mark, unitless, capitals, extra_column, turn_columns, crlf, blanks, quote,
)  # fmt: skip


def random_bytes(data, bits):
    data = bytearray(data)
    for _ in range(bits.choice((1, 1, 3, 30))):
        at = bits.randrange(len(data) + 1)
        change = bits.randrange(5)
        if change == 0:
            data[at : at + 1] = bytes([bits.randrange(256)])
        elif change == 1:
            del data[at : at + bits.choice((1, 1, 5, 200, 3000))]
        elif change == 2:
            data[at:at] = bits.choice(
                (
                    b"\n",
                    b",",
                    b"e9",
                    b"-",
                    b"\0",
                    b'"',
                    b"nan",
                    b"1e308",
                    b"[",
                    b"=",
                    b"\xff\xfe",
                    b";;",
                )
            )
        elif change == 3:
            data[at:at] = data[at : at + 300]
        else:
            del data[at:]
        if not data:
            break
    return bytes(data)
