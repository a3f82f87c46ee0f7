"""A proxy asks before every request, obeys, and is closed when it gets no answer."""

import itertools
import json
import socket
import threading

import pytest

from .authorizer import ANSWERS, INVALID, PRINCIPAL
from .running import DOORS

FILE = "/acme/open-1b/resolve/main/README.md"
PUSH = "/acme/open-1b.git/info/refs?service=git-receive-pack"
# Read as ours by someone: none may come from a client.
FORGED = [
    ("X-Tokenward-Subject", "u-root"),
    ("X-Tokenward-Org", "o-root"),
    ("X-TOKENWARD-ROLE", "admin"),
    ("X_Tokenward_Subject", "u-root"),
    ("X-Tokenward-Later", "x"),
]

# Plain ones, and ones that two programs may read in two ways.
PATHS = [
    "/api/models/acme/open-1b/tree/refs%2Fpr%2F1?recursive=true",
    "//acme//open-1b/resolve/main/README.md",
    "/acme/open-1b/../secret-70b/resolve/main/config.json",
    "/acme/open-1b/%2e%2e/secret-70b/resolve/main/config.json",
    "/acme/open-1b/..%2fsecret-70b/resolve/main/config.json",
    "/acme/open-1b/%252e%252e/secret-70b/resolve/main/config.json",
    "/acme%2Fsecret-70b/resolve/main/config.json",
    "/acme/open-1b/resolve/main/a%20b%25c%3Fd?x=/../y",
    "/acme/open-1b/./resolve/main/README.md;x=1",
    "/acme/open-1b\\..\\secret-70b/resolve/main/config.json",
    "/%61cme/open-1b/resolve/main/README.md",
    "/_tokenward",
    "/auth",
]


def ours(request):
    found = {}
    for name, value in request["headers"].items():
        if name.replace("_", "-").startswith("x-tokenward-"):
            found[name] = value
    return found


def test_who_it_is_comes_from_the_verifier_alone(door, hub, authorizer, ask):
    mark, asked = hub.mark(), authorizer.mark()
    answer = ask(door.port, FILE, "hf_allow", headers=FORGED)
    assert answer.status == 200
    assert answer.body == hub.file("models", "acme/open-1b", "README.md")
    [request] = hub.requests(mark)
    named = ours(request)
    named.pop("x-tokenward-later", None) if door.name == "nginx" else None
    assert named == PRINCIPAL
    assert "authorization" not in request["headers"]
    [question] = authorizer.questions(asked)
    assert (question["method"], question["path"]) == ("GET", FILE)
    assert ours(question) == {}
    assert question["headers"]["authorization"] == "Bearer hf_allow"


@pytest.mark.parametrize("token", [name for name in ANSWERS if name != "hf_allow"] + ["hf_bad"])
def test_refusals_arrive_whole_and_the_hub_hears_nothing(door, hub, ask, token):
    mark = hub.mark()
    answer = ask(door.port, FILE, token or None)
    status, headers = ANSWERS.get(token, INVALID)
    assert answer.status == status
    for name, value in headers.items():
        assert answer.header(name) == value
    assert answer.header("x-request-id") == "r-1"
    assert "json" in answer.header("content-type") or door.name == "caddy"
    said = json.loads(answer.body)["error"]
    assert said == headers["x-error-message"] or token == "hf_quote" and door.name == "nginx"
    assert hub.requests(mark) == []


@pytest.mark.parametrize("door", ["nginx"], indirect=True)
def test_git_lfs_is_refused_in_its_own_words(door, ask):
    """Its field is `message`. Doors that pass the verifier's body on need nothing for it."""
    answer = ask(door.port, "/acme/open-1b.git/info/lfs/objects/batch", "hf_gated", "POST", b"{}")
    assert (answer.status, answer.header("content-type")) == (403, "application/vnd.git-lfs+json")
    assert json.loads(answer.body) == {"message": "not in the authorized list"}


def test_headers_that_contradict_the_door_s_own_change_nothing(door, authorizer, ask):
    asked = authorizer.mark()
    forged = [("X-Original-Method", "POST"), ("X-Forwarded-Method", "POST")]
    forged += [("X-Original-URI", "/forged"), ("X-Forwarded-Uri", "/forged")]
    assert ask(door.port, FILE, "hf_allow", headers=forged).status == 200
    [question] = authorizer.questions(asked)
    assert (question["method"], question["path"]) == ("GET", FILE)
    if not door.grpc:
        assert "/forged" not in question["headers"].values()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"])
def test_each_method_is_asked_about_as_it_is(door, hub, authorizer, ask, method):
    mark, asked = hub.mark(), authorizer.mark()
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    assert ask(door.port, PUSH, "hf_hidden", method, body).status == 404
    assert [question["method"] for question in authorizer.questions(asked)] == [method]
    assert hub.requests(mark) == []


@pytest.mark.parametrize("path", PATHS)
def test_the_hub_gets_the_path_that_was_judged(door, hub, authorizer, ask, path):
    mark, asked = hub.mark(), authorizer.mark()
    answer = ask(door.port, path, "hf_allow")
    arrived = [request["path"] for request in hub.requests(mark)]
    judged = [question["path"] for question in authorizer.questions(asked)]
    if arrived:
        assert judged == arrived
    else:
        assert answer.status in (400, 404)
    if "refs%2Fpr" in path:
        # Escaped slashes of revisions stay.
        assert arrived == [path]


@pytest.fixture
def alone(tmp_path, hub):
    """A door of the kind, with a verifier's port and settings of the test's own."""
    started = []

    def start(door, verifier, **options):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(DOORS[door.name](folder, verifier, hub.port, **options))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def assert_closed(answer):
    assert answer.status == 503
    assert answer.header("x-error-message") == "the access check did not answer"
    assert answer.header("retry-after") == "1"


def test_closed_without_a_verifier(door, hub, ask, alone, free_port):
    mark, other = hub.mark(), alone(door, free_port)
    assert_closed(ask(other.port, FILE, "hf_allow"))
    assert_closed(ask(other.port, FILE))
    assert hub.requests(mark) == []


def test_closed_when_the_verifier_is_silent(door, hub, ask):
    mark = hub.mark()
    assert_closed(ask(door.port, FILE, "hf_slow"))
    assert hub.requests(mark) == []


def test_a_hub_that_wants_the_credential_gets_it(door, hub, authorizer, ask, alone):
    mark, other = hub.mark(), alone(door, authorizer.port, strip=False)
    assert ask(other.port, FILE, "hf_allow").status == 200
    assert hub.requests(mark)[0]["headers"]["authorization"] == "Bearer hf_allow"


def test_the_hub_s_own_refusals_pass_untouched(door, ask):
    answer = ask(door.port, "/acme/open-1b/resolve/main/nope", "hf_allow")
    assert answer.status == 404
    assert answer.header("x-error-code") == "EntryNotFound"
    assert answer.header("x-repo-commit")


@pytest.mark.parametrize("door", [name for name, kind in DOORS.items() if kind.grpc], indirect=True)
def test_the_verifier_sees_the_beginning_of_a_body(door, authorizer, ask):
    """Over gRPC, at most 64 KiB of it and as bytes; forward auth sends heads only."""
    for size, seen in ((100, 100), (500_000, 65_536)):
        asked = authorizer.mark()
        body = b"\xff" * size
        ask(door.port, "/api/models/acme/open-1b/settings", "hf_allow", "PUT", body)
        [question] = authorizer.questions(asked)
        assert (question["body_bytes"], question["text_bytes"]) == (seen, 0)


def test_no_request_hides_in_a_body(door, hub, authorizer):
    """With two lengths that disagree, what one takes for a body another may take for a request."""
    hidden = b"GET /acme/secret-70b/resolve/main/config.json HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hf_allow\r\nConnection: close\r\n\r\n"
    heads = [
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(hidden)),
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(hidden),
        b"Content-Length: %d\r\n\r\n" % len(hidden),
    ]
    for head in heads:
        mark, asked = hub.mark(), authorizer.mark()
        with socket.create_connection(("127.0.0.1", door.port), 20) as connection:
            start = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hf_allow\r\n"
            connection.sendall(start + head + hidden + last)
            while connection.recv(65536):
                pass
        arrived = [request["path"] for request in hub.requests(mark)]
        judged = [question["path"] for question in authorizer.questions(asked)]
        # Taken for a request it was asked about, without a credential, and refused.
        assert set(arrived) <= {"/v1/chat/completions", "/v1/models"}
        assert set(arrived) <= set(judged)


def answer_on(stream):
    """Status and headers of one answer; its body is read past. None: the connection has ended."""
    line = stream.readline()
    if not line:
        return None
    headers = {}
    while text := stream.readline().strip().decode():
        name, _, value = text.partition(": ")
        headers[name.lower()] = value
    stream.read(int(headers.get("content-length", 0)))
    return int(line.split()[1]), headers


def then(door, method, path, token, body):
    """A request whose body comes after its answer where the door doesn't wait for it, and one of nobody's
    after that on the same connection. The first answer, and the second's status or None.
    """
    host = f"Host: 127.0.0.1:{door.port}\r\n"
    head = f"{method} {path} HTTP/1.1\r\n{host}Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", door.port), 20) as connection:
        stream = connection.makefile("rb")
        connection.sendall(head.encode())
        # Caddy has all taken of what is refused by the check.
        waits = door.name == "envoy" or door.name == "caddy" and method == "POST" and token == "hf_hidden"
        first = None if waits else answer_on(stream)
        try:
            connection.sendall(body)
            first = first or answer_on(stream)
            connection.sendall(f"GET {FILE} HTTP/1.1\r\n{host}\r\n".encode())
            after = answer_on(stream)
        except ConnectionError:
            after = None
    return first, after and after[0]


def a_request(door):
    return f"GET {FILE} HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\nAuthorization: Bearer hf_allow\r\n\r\n".encode()


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("size", [0, 300_000])
def test_the_body_of_a_refused_request_is_no_request(door, hub, method, size):
    """Left unread by the door, it must not be taken for the connection's next request."""
    mark = hub.mark()
    (status, headers), after = then(door, method, PUSH, "hf_hidden", a_request(door) + b"x" * size)
    # To Envoy the verifier says it.
    assert status == (400 if method == "GET" and door.name != "envoy" else 404)
    # Nobody's: refused. Or the connection has ended, as was said.
    assert after == 401 or after is None and headers.get("connection") == "close"
    assert hub.requests(mark) == []


@pytest.mark.parametrize("door", ["nginx", "caddy"], indirect=True)
@pytest.mark.parametrize("length", ["Content-Length: {}", "Transfer-Encoding: chunked"])
def test_a_get_that_is_allowed_has_no_body_for_the_hub(door, hub, length):
    """A hub that expects none would take it for the connection's next request, whoever it says it is from.
    For Envoy the verifier refuses it.
    """
    mark = hub.mark()
    hidden = b"DELETE /api/repos/delete HTTP/1.1\r\nHost: x\r\nX-Tokenward-Subject: u-root\r\n\r\n"
    body = hidden if "{}" in length else b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    head = f"GET {FILE} HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\nAuthorization: Bearer hf_allow\r\n{length.format(len(body))}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", door.port), 20) as connection:
        connection.sendall(head.encode() + body)
        status, _ = answer_on(connection.makefile("rb"))
    assert 400 <= status < 600
    assert [request["method"] for request in hub.requests(mark)] in ([], ["GET"])


def test_nothing_is_upgraded_and_nobody_takes_out_what_the_check_says(door, hub):
    """In a tunnel nothing is judged. And a header that `Connection` names ends at a proxy."""
    for named in ("Upgrade, HTTP2-Settings", "X-Tokenward-Subject"):
        mark = hub.mark()
        head = f"GET {FILE} HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\nAuthorization: Bearer hf_allow\r\n"
        head += f"Connection: {named}\r\n"
        head += "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n" if "Up" in named else "\r\n"
        with socket.create_connection(("127.0.0.1", door.port), 20) as connection:
            connection.sendall(head.encode())
            status, _ = answer_on(connection.makefile("rb"))
        assert status != 101
        for request in hub.requests(mark):
            assert not {"upgrade", "http2-settings"} & set(request["headers"])
            assert request["headers"]["x-tokenward-subject"] == dict(PRINCIPAL)["x-tokenward-subject"]


def test_a_client_that_is_still_sending_hears_the_refusal(door, hub, ask):
    """And not that the connection was reset: most clients send all before they read. Envoy reads no more once
    it has refused, and closes a second later; deploy/README.md says so.
    """
    sizes = (1_000,) if door.name == "envoy" else (1_000, 1_000_000, 20_000_000)
    mark = hub.mark()
    for size, method in itertools.product(sizes, ("PUT", "POST")):
        answer = ask(door.port, "/acme/open-1b/upload", "hf_hidden", method, b"x" * size)
        assert (answer.status, answer.header("x-error-code")) == (404, "RepoNotFound"), size
    assert hub.requests(mark) == []


@pytest.fixture
def hasty(tmp_path, authorizers):
    """A door before a hub that answers 409 to a request's head and reads no more."""
    listener, started = socket.create_server(("127.0.0.1", 0)), []
    listener.settimeout(20)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                while stream.readline().strip():
                    pass
                connection.sendall(b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()

    def start(door):
        started.append(DOORS[door.name](tmp_path, authorizers[door.grpc].port, listener.getsockname()[1]))
        return started[-1]

    yield start
    for each in started:
        each.stop()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_body_that_the_hub_refuses_is_no_request(door, authorizer, hasty):
    other, asked = hasty(door), authorizer.mark()
    (status, headers), after = then(other, "POST", PUSH, "hf_allow", a_request(other) + b"x" * 300_000)
    # 502 and its like where the door finds its own sending cut off.
    assert status in (409, 502, 503)
    assert after == 401 or after is None
    told = [question["headers"].get("authorization") for question in authorizer.questions(asked)]
    assert told in (["Bearer hf_allow"], ["Bearer hf_allow", None])


def test_a_long_token_passes(door, authorizer, ask):
    asked, token = authorizer.mark(), "hf_" + "a" * 4093
    assert ask(door.port, FILE, token).status == 401
    assert authorizer.questions(asked)[0]["headers"]["authorization"] == f"Bearer {token}"
