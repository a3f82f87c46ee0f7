"""A stand-in for the verifier's HTTP door: the token itself says what to answer. It knows no repo.

Only shows that a proxy asks before each request, passes on what it must and obeys the answer.
Run as a program it prints its port and writes each question to a file, as JSON Lines.
"""

import base64
import http.server
import json
import sys
import time

PRINCIPAL = {"x-tokenward-subject": "u-ada", "x-tokenward-token-id": "t-1", "x-tokenward-role": "write"}
HIDDEN = (404, {"x-error-code": "RepoNotFound", "x-error-message": "Repository not found"})
ANSWERS = {
    "": (
        401,
        {
            "x-error-code": "RepoNotFound",
            "x-error-message": "Invalid username or password.",
            "www-authenticate": 'Basic realm="hub"',
        },
    ),
    "hf_allow": (200, PRINCIPAL),
    "hf_hidden": HIDDEN,
    "hf_large": (413, {"x-error-message": "too long to be judged", "x-tokenward-reason": "too_long"}),
    "hf_gated": (403, {"x-error-code": "GatedRepo", "x-error-message": "not in the authorized list"}),
    "hf_stale": (503, {"x-error-message": "the view is too old", "retry-after": "1"}),
    "hf_quote": (403, {"x-error-message": 'use "create_pr=1" as a query parameter'}),
}
INVALID = (401, {"x-error-message": "Invalid credentials in Authorization header"})
# Longer than any door waits for a check.
SLOW, SLOW_FOR = "hf_slow", 3


def token_of(authorization):
    scheme, _, rest = (authorization or "").partition(" ")
    if scheme.lower() == "basic":
        return base64.b64decode(rest).decode().partition(":")[2]
    return rest


def decide(authorization):
    """The status and the headers of the answer."""
    token = token_of(authorization)
    if token == SLOW:
        time.sleep(SLOW_FOR)
        return ANSWERS["hf_allow"]
    return ANSWERS.get(token, INVALID)


class Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        # A length without a body would keep the verifier waiting, so this waits too.
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        nginx, sinks = query == "proxy=nginx", query == "body=sink"
        prefix = "X-Original-" if nginx else "X-Forwarded-"
        asked = {
            "method": self.headers.get(prefix + "Method"),
            "path": self.headers.get(prefix + ("URI" if nginx else "Uri")),
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        # Of what was refused already, only the body is handed over.
        if not sinks:
            with open(sys.argv[1], "a") as file:
                file.write(json.dumps(asked) + "\n")
        status, headers = decide(self.headers.get("Authorization"))
        if path != "/auth" or query not in ("", "proxy=nginx", "body=sink") or None in (asked["method"], asked["path"]):
            status, headers = 400, {}
        headers = headers | {"x-request-id": "r-1"}
        if nginx:
            headers = headers | {"x-tokenward-status": str(status)}
            status = status if status in (200, 401) else 403
        body = b"" if status == 200 else json.dumps({"error": headers.get("x-error-message")}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()
