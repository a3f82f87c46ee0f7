"""The same stand-in as Envoy asks it: `envoy.service.auth.v3.Authorization/Check` over gRPC.

The few fields that it needs are read and written by hand, so that no package of Envoy's messages is
wanted.
"""

import concurrent.futures
import json
import sys

import grpc

from authorizer import decide

# google.rpc.Code
OK, PERMISSION_DENIED = 0, 7
SERVING = b"\x08\x01"


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


def check(request, context):
    http = inside(request, 1, 4, 2)
    headers = {}
    for tag, value in fields(http):
        if tag == 3:
            headers[inside(value, 1).decode()] = inside(value, 2).decode()
    asked = {
        "method": inside(http, 2).decode(),
        "path": inside(http, 4).decode(),
        "headers": headers,
        "body_bytes": len(inside(http, 12)),
        "text_bytes": len(inside(http, 11)),
    }
    with open(sys.argv[1], "a") as file:
        file.write(json.dumps(asked) + "\n")
    status, answer = decide(headers.get("authorization"))
    if status == 200:
        added = b"".join(field(2, header(name, value)) for name, value in answer.items())
        return field(1, field(1, OK)) + field(3, added)
    answer = answer | {"x-request-id": "r-1", "content-type": "application/json"}
    body = json.dumps({"error": answer.get("x-error-message")})
    denied = field(1, field(1, status)) + b"".join(field(2, header(*pair)) for pair in answer.items())
    return field(1, field(1, PERMISSION_DENIED)) + field(2, denied + field(3, body))


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
    raw = grpc.unary_unary_rpc_method_handler
    methods = {
        "envoy.service.auth.v3.Authorization": {"Check": raw(check)},
        "grpc.health.v1.Health": {"Check": raw(lambda request, context: SERVING)},
    }
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(*service) for service in methods.items()]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"port": port}), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
