"""HTTP/1.1 of the hub: requests read lazily, answers streamed, each head recorded before it is answered.

Decides nothing about repositories. A body is read only as the route asks for it, so that a test can
see a request arrive while its body is still on the way.
"""

import dataclasses
import http.server
import json
import threading
import urllib.parse
import uuid

CHUNK = 64 * 1024


class Refused(Exception):
    """An error answer in the hub's form: a JSON `error`, and headers that clients go by."""

    def __init__(self, status, message, code=None, commit=None):
        super().__init__(message)
        self.status, self.message, self.code, self.commit = status, message, code, commit


@dataclasses.dataclass
class Answer:
    """`body` is bytes, or an iterator of bytes that is sent as it comes."""

    body: object = b""
    status: int = 200
    headers: dict = dataclasses.field(default_factory=dict)


def answer_json(value, status=200, headers=None, kind="application/json"):
    return Answer(json.dumps(value).encode(), status, {"Content-Type": kind, **(headers or {})})


class Request:
    def __init__(self, handler, method):
        self.method = method
        self.headers = handler.headers
        self.path, _, self.query_text = handler.target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(self.query_text, keep_blank_values=True))
        self._input = handler.rfile
        self._chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        self._left = int(self.headers.get("Content-Length") or 0)

    def base(self):
        """The origin that the client sees: the door's, where one stands before the hub."""
        scheme = self.headers.get("X-Forwarded-Proto", "http")
        return f"{scheme}://{self.headers.get('X-Forwarded-Host') or self.headers['Host']}"

    def pieces(self):
        """What is left of the body, piece by piece."""
        while self._chunked:
            size = int(self._input.readline().split(b";")[0], 16)
            if size == 0:
                self._chunked = False
                while self._input.readline().strip():
                    pass
                return
            piece = self._input.read(size)
            self._input.readline()
            yield piece
        while self._left:
            piece = self._input.read1(min(CHUNK, self._left))
            if not piece:
                raise ConnectionError("the body ended early")
            self._left -= len(piece)
            yield piece

    def body(self):
        return b"".join(self.pieces())

    def json(self):
        try:
            return json.loads(self.body())
        except ValueError as error:
            raise Refused(400, f"the body is not JSON: {error}") from None


class Record:
    """JSON Lines, one a request: listener, method, path, headers as they came. No bodies.

    Holds the credentials that reached the hub: for a test's temporary folder only.
    """

    def __init__(self, path):
        self._file = open(path, "a", buffering=1)
        self._lock = threading.Lock()

    def write(self, listener, handler):
        line = json.dumps(
            {
                "listener": listener,
                "method": handler.command,
                "path": handler.target,
                "headers": [[name.lower(), value] for name, value in handler.headers.items()],
            }
        )
        with self._lock:
            self._file.write(line + "\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, listener, record, answer):
        self.listener, self.record, self.answer = listener, record, answer
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request, client_address):
        """A client that left is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A head and its body leave as one packet each: without this every small answer waits 40 ms.
    disable_nagle_algorithm = True
    timeout = 60

    def log_message(self, *_):
        pass

    def serve(self):
        # As sent: `path` has lost a doubled slash at its beginning.
        self.target = self.requestline.split()[1]
        self.server.record.write(self.server.listener, self)
        request = Request(self, self.command)
        try:
            answer = self.server.answer(request)
        except Refused as refused:
            headers = {"X-Error-Message": refused.message}
            if refused.code:
                headers["X-Error-Code"] = refused.code
            if refused.commit:
                headers["X-Repo-Commit"] = refused.commit
            answer = answer_json({"error": refused.message}, refused.status, headers)
        self.send(answer)
        for _ in request.pieces():
            pass

    def send(self, answer):
        headers = {"X-Request-Id": uuid.uuid4().hex, **answer.headers}
        whole = isinstance(answer.body, bytes)
        if whole:
            headers.setdefault("Content-Length", str(len(answer.body)))
        elif "Content-Length" not in headers:
            headers["Transfer-Encoding"] = "chunked"
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in [answer.body] if whole else answer.body:
            if "Transfer-Encoding" not in headers:
                self.wfile.write(piece)
            elif piece:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if "Transfer-Encoding" in headers:
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = serve
