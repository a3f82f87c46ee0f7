"""The same stand-in as Envoy asks it: `envoy.service.auth.v3.Authorization/Check` over gRPC.
"""

import concurrent.futures
import json
import sys

import grpc

from authorizer import decide
from wire import field, fields, header, inside

# google.rpc.Code
OK, PERMISSION_DENIED = 0, 7
SERVING = b"\x08\x01"


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
