"""Protobuf by hand: the few fields that the tests need of Envoy's messages, so that no package of these
is wanted.
"""


def number(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """Pairs of field number and value; only numbers and byte strings."""
    at = 0
    while at < len(data):
        tag, at = number(data, at)
        if tag & 7 == 2:
            size, at = number(data, at)
            yield tag >> 3, data[at : at + size]
            at += size
        elif tag & 7 == 0:
            value, at = number(data, at)
            yield tag >> 3, value
        else:
            at += {1: 8, 5: 4}[tag & 7]


def inside(data, *path):
    for wanted in path:
        data = next((value for field, value in fields(data) if field == wanted), b"")
    return data


def encoded(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(tag, value):
    if isinstance(value, int):
        return encoded(tag << 3) + encoded(value)
    value = value.encode() if isinstance(value, str) else value
    return encoded(tag << 3 | 2) + encoded(len(value)) + value


def header(name, value):
    return field(1, field(1, name) + field(2, value))
