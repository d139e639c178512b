"""The checksums of the meters' lines and frames."""

import re
import struct
from functools import reduce


def xor(data: bytes) -> int:
    """Exclusive-or of all bytes.

    >>> "%02X" % xor(b"D,1")
    '59'
    """
    return reduce(lambda a, b: a ^ b, data, 0)


def crc(data: bytes) -> bytes:
    """Checksum of a frame: CRC-16/Modbus, low byte first.

    >>> crc(bytes.fromhex("01040000000a")).hex()
    '700d'
    """
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def check_smartpower3(text: str) -> str:
    """Check the two checksums of a SmartPower3 line, over everything up to the comma before them.

    Returns the line or raises ValueError.
    """
    body, sums = text[:-5].encode("ascii"), text[-5:]
    if sums != f"{-sum(body) & 0xFF:02x},{xor(body):02x}":
        raise ValueError("checksum")
    return text


def check_xor(text: str) -> str:
    """Check `...*HH`, the exclusive-or of all before the star.

    Returns the line without it or raises ValueError.

    >>> check_xor("D,1*59")
    'D,1'
    """
    body, _, code = text.rpartition("*")
    if not re.match(r"[0-9A-Fa-f]{2}\Z", code) or int(code, 16) != xor(body.encode("ascii")):
        raise ValueError("checksum")
    return body


LINE_CHECKSUMS = {"smartpower3": check_smartpower3, "xor": check_xor}
