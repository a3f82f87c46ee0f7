"""Ways to ask a verifier about a request, one a door: `ask(request)` gives what it told.

`Proxied` is any door that requests go through: a proxy that asks the verifier, or one that is it.
"""

import dataclasses
import http.client
import http.server
import threading
import typing

import grpc

import children

from .wire import field, fields, inside


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    target: str
    body: bytes | None
    # The values of all Authorization headers; and other headers, as pairs.
    credentials: tuple
    # X-HF-Bill-To, if any.
    bill: str | None

    def headers(self):
        named = [it if isinstance(it, tuple) else ("authorization", it) for it in self.credentials]
        return named + ([] if self.bill is None else [("x-hf-bill-to", self.bill)])


class Told(typing.NamedTuple):
    allowed: bool
    # Of a refusal; 200 where it was allowed.
    status: int
    code: str | None


class ExtAuthz:
    """As Envoy asks."""

    name, shows_bodies = "ext_authz", True

    def __init__(self, port):
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._check = self._channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")

    def ask(self, request):
        headers = request.headers()
        if request.body is not None:
            headers += [("content-length", str(len(request.body))), ("x-envoy-auth-partial-body", "false")]
        pairs = b"".join(field(1, field(1, name) + field(3, value.encode("latin-1"))) for name, value in headers)
        shown = field(2, request.method) + field(4, request.target) + field(13, pairs)
        shown += field(12, request.body or b"")
        answer = self._check(field(1, field(4, field(2, shown))), timeout=children.LIMIT)
        # As Envoy reads it: what has no code is allowed.
        if not next((value for tag, value in fields(inside(answer, 1)) if tag == 1), 0):
            return Told(True, 200, None)
        denied, told = inside(answer, 2), {}
        for tag, value in fields(denied):
            if tag == 2:
                told[inside(value, 1, 1).decode()] = inside(value, 1, 2).decode()
        [status] = [value for tag, value in fields(inside(denied, 1)) if tag == 1]
        return Told(False, status, told.get("x-error-code"))

    def close(self):
        self._channel.close()


class ForwardAuth:
    """As nginx and its like ask. Whether the body comes along is the proxy's affair."""

    def __init__(self, port, query, prefix, shows_bodies):
        self.path, self.prefix, self.shows_bodies = f"/auth{query}", prefix, shows_bodies
        self.name = f"{self.path}, {prefix}-*, {'bodies' if shows_bodies else 'heads'}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=children.LIMIT)

    def serves(self, request):
        # Without bodies only what has one is another question.
        return self.shows_bodies or request.body is not None

    def ask(self, request):
        original = [("Method", request.method), ("Uri", request.target)]
        headers = request.headers() + [(f"{self.prefix}-{name}", value) for name, value in original]
        answer = send(self._connection, "GET", self.path, headers, request.body if self.shows_bodies else None)
        status = int(answer.getheader("x-tokenward-status") or answer.status)
        # What nginx can't take it is given as 403.
        assert answer.status in (status, 403), (answer.status, status)
        return Told(answer.status == 200, status, answer.getheader("x-error-code"))

    def close(self):
        self._connection.close()


class Passed(http.server.BaseHTTPRequestHandler):
    """What stands behind a proxy and says that a request came through."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("X-Passed", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer


class Behind:
    """A server of those, at `port`."""

    def __init__(self):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Passed)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Proxied:
    """A door that forwards what it allows, to `Behind`."""

    def __init__(self, name, port, shows_bodies):
        self.name, self.shows_bodies = name, shows_bodies
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=children.LIMIT)

    def ask(self, request):
        answer = send(self._connection, request.method, request.target, request.headers(), request.body)
        passed = answer.getheader("x-passed") == "1"
        # Nobody else says 200, but the verifier where it answers itself.
        assert passed == (answer.status == 200 and not is_own(request)), (request.target, answer.status)
        return Told(answer.status == 200, answer.status, answer.getheader("x-error-code"))

    def close(self):
        self._connection.close()


def is_own(request):
    path = request.target
    checks = path.endswith(("/auth-check", "/auth-check/write")) and path.startswith("/api/")
    return request.method in ("GET", "HEAD") and (checks or path == "/api/whoami-v2")


class Own:
    """What the verifier serves itself: who-am-I and auth-check."""

    name, shows_bodies = "itself", True

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=children.LIMIT)

    def serves(self, request):
        return is_own(request)

    def ask(self, request):
        answer = send(self._connection, request.method, request.target, request.headers(), None)
        return Told(answer.status == 200, answer.status, answer.getheader("x-error-code"))

    def close(self):
        self._connection.close()


def send(connection, method, path, headers, body):
    """The answer, read to its end; on a new connection where the kept one was closed after the last."""
    # Whoever is closed at the first request of a connection heard no answer: that is told.
    for kept in (True, False) if connection.sock else (False,):
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            answer.read()
            return answer
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            connection.close()
            if not kept:
                raise
    raise AssertionError("no answer")


def doors(verifier):
    return [
        ExtAuthz(verifier.grpc_port),
        ForwardAuth(verifier.http_port, "", "X-Forwarded", True),
        ForwardAuth(verifier.http_port, "?proxy=nginx", "X-Original", True),
        ForwardAuth(verifier.http_port, "", "X-Forwarded", False),
        ForwardAuth(verifier.http_port, "?proxy=nginx", "X-Original", False),
        Own(verifier.http_port),
    ]
