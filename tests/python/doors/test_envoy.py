"""The real Envoy before the real verifier: the ready-made settings, and barer ones that leave more to the verifier."""

import http.client
import json
import re
import socket
import time
import uuid

import grpc
import pytest

import children

from .conftest import verifier_in
from .running import Envoy

OPEN = "/acme/open-1b/resolve/main/config.json"
SECRET = "/acme/secret-70b/resolve/main/config.json"
INVALID = "Invalid credentials in Authorization header"
FORGED = [
    ("X-Tokenward-Subject", "u-root"),
    ("X-Tokenward-Subject", "u-root2"),
    ("X-Tokenward-Org", "o-root"),
    ("X-TOKENWARD-ROLE", "admin"),
    ("X-Tokenward-Later", "x"),
    ("X_Tokenward_Subject", "u-root"),
]
LOGGED = ("subject", "token_id", "role", "org", "outcome", "reason", "revision", "age_seconds", "status")
LOG = """          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: {path}
              log_format: {{ json_format: {{ path: "%REQ(:PATH)%", {fields} }} }}
"""
ROUTE = """              - match: {{ prefix: {prefix} }}
                route: {{ cluster: hub, timeout: 0s }}
                typed_per_filter_config:
                  envoy.filters.http.ext_authz:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                    check_settings: {{ context_extensions: {extensions} }}
"""
MODEL_SERVER = {"routes": "inference"}
ONE_MODEL = {"resource": "model:acme/secret-70b", "permission": "repo.content.read", "strip_credential": "true"}


class Bare(Envoy):
    """Nothing tidied up before the check, the credential left in place, and routes with settings of their own."""

    def prepare(self):
        command, environment = super().prepare()
        path = self.folder / "envoy.yaml"
        text = path.read_text()
        self.access = self.folder / "access.jsonl"

        def replace(pattern, by):
            nonlocal text
            text, count = re.subn(pattern, lambda _: by, text, flags=re.S)
            assert count == 1, pattern

        replace(r"          # Before the check, so.*?(?=          - name: envoy.filters.http.ext_authz)", "")
        replace(r" +headers_with_underscores_action: DROP_HEADER\n", "")
        replace(r" +normalize_path: true\n", "")
        replace(r" +merge_slashes: true\n", "")
        fields = ", ".join(f'{name}: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:{name})%"' for name in LOGGED)
        log = LOG.format(path=self.access, fields=fields)
        replace(r"          stat_prefix: hub\n", "          stat_prefix: hub\n" + log)
        special = {"/v1/": MODEL_SERVER, "/one/": ONE_MODEL, "/half/": {"permission": "repo.write"}}
        routes = [ROUTE.format(prefix=prefix, extensions=json.dumps(each)) for prefix, each in special.items()]
        anything = "              - match: { prefix: / }\n"
        replace(re.escape(anything), "".join(routes) + anything)
        path.write_text(text)
        return command + ["--file-flush-interval-msec", "50"], environment

    def logged(self, path):
        """The first line of a request to this path, which is the test's own."""
        last = time.monotonic() + children.LIMIT
        while True:
            lines = self.access.read_text().splitlines() if self.access.exists() else []
            for line in map(json.loads, lines):
                if line["path"] == path:
                    return line
            assert time.monotonic() < last, f"no line of {path}"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def judge(verifying):
    return verifying


@pytest.fixture(scope="module", params=["ready-made", "bare"])
def front(request, tmp_path_factory, judge, hub):
    bare = request.param == "bare"
    kind, folder = (Bare if bare else Envoy), tmp_path_factory.mktemp("envoy")
    running = kind(folder, judge.grpc_port, hub.port, strip=not bare)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def bare(tmp_path_factory, judge, hub):
    running = Bare(tmp_path_factory.mktemp("bare"), judge.grpc_port, hub.port, strip=False)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def ada(mint):
    return mint()


@pytest.fixture(scope="module")
def linus(mint):
    """Of no org: he sees what is public, and his own."""
    return mint("linus", "WRITE")


def raw_status(port, path, token):
    """Of a request whose path no library would send."""
    head = f"GET {path} HTTP/1.1\r\nHost: hub.example\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), children.LIMIT) as connection:
        connection.sendall(head.encode("latin-1"))
        return int(connection.makefile("rb").readline().split()[1])


def ours(request):
    named = {name: value for name, value in request["headers"].items()}
    return {name: value for name, value in named.items() if name.replace("_", "-").startswith("x-tokenward-")}


def test_a_good_token_passes_and_the_hub_is_told_whose_it_is(front, hub, ask, ada):
    mark = hub.mark()
    answer = ask(front.port, SECRET, ada.secret, headers=FORGED)
    assert answer.status == 200
    assert answer.body == hub.file("models", "acme/secret-70b", "config.json")
    [request] = hub.requests(mark)
    assert ours(request) == {
        "x-tokenward-subject": "u-ada",
        "x-tokenward-token-id": ada.token.id,
        "x-tokenward-role": "read",
    }
    assert ("authorization" in request["headers"]) == (not front.strip)


def test_nobody_is_nobody_whatever_they_say(front, hub, ask):
    mark = hub.mark()
    assert ask(front.port, OPEN, headers=FORGED).status == 200
    [request] = hub.requests(mark)
    assert ours(request) == {}


def test_a_refusal_is_the_one_of_the_http_door(front, judge, hub, ask, mint, ada, linus):
    """Status, headers and body, to the letter."""
    fine = mint("linus", "FINE_GRAINED")
    garbage = ada.secret[:-4] + "AAAA"
    rows = [
        ("GET", OPEN, garbage, 401),
        ("GET", SECRET, None, 401),
        ("GET", SECRET, garbage, 401),
        ("GET", SECRET, linus.secret, 404),
        ("HEAD", SECRET, linus.secret, 404),
        ("GET", "/acme/nothing/resolve/main/config.json", linus.secret, 404),
        ("GET", "/acme/gated-8b/resolve/main/config.json", fine.secret, 403),
        ("GET", "/acme/gated-8b/resolve/main/config.json", None, 401),
        ("GET", "/acme/open-1b.git/info/refs?service=git-receive-pack", None, 401),
        ("GET", "/acme/open-1b.git/info/refs?service=git-receive-pack", ada.secret, 403),
        ("GET", "/acme/open-1b.git/info/lfs/locks", garbage, 401),
        ("POST", "/api/models/acme/open-1b/commit/main", linus.secret, 403),
        ("GET", "/oauth/userinfo", None, 401),
        ("GET", "/nowhere/at/all/here", ada.secret, 403),
        ("GET", "/acme/open-1b/resolve/..%2f..%2fx/y", ada.secret, 400),
    ]
    mark = hub.mark()
    for method, path, token, status in rows:
        direct = [("X-Original-Method", method), ("X-Original-URI", path)]
        expected = ask(judge.http_port, "/auth", token, method if method == "HEAD" else "GET", headers=direct)
        answer = ask(front.port, path, token, method, b"" if method == "POST" else None)
        row = (method, path)
        assert (answer.status, expected.status) == (status, status), row
        assert answer.body == expected.body, row
        # A proxy's own; and what is another for each request.
        varying = {"date", "server", "connection", "content-length", "x-request-id"}
        headers = [{k: v for k, v in each.headers.items() if k not in varying} for each in (answer, expected)]
        assert headers[0] == headers[1], row
        assert re.fullmatch(r"[\w-]{8,}", answer.header("x-request-id")), row
    assert hub.requests(mark) == []


def test_a_credential_that_is_not_good_has_its_exact_answer(front, ask, stubs, tokens, known, mint):
    revoked = mint("ada", "WRITE")
    assert ask(front.port, SECRET, revoked.secret).status == 200
    known(tokens.RevokeToken(stubs.token.RevokeTokenRequest(token_id=revoked.token.id)).revision)
    for token in (revoked.secret, "tw_nothing", "x y", ""):
        answer = ask(front.port, OPEN, token)
        assert answer.status == 401
        assert answer.header("x-error-message") == INVALID
        challenges = 'Basic realm="Tokenward", charset="UTF-8", Bearer realm="Tokenward", error="invalid_token"'
        assert answer.header("www-authenticate") == challenges
        assert answer.header("x-tokenward-reason") is None
        assert answer.header("cache-control") == "no-store"
        assert json.loads(answer.body) == {"error": INVALID}


def test_two_credentials_are_none(front, hub, ask, ada):
    mark = hub.mark()
    for second in (ada.secret, "tw_other", ""):
        answer = ask(front.port, OPEN, ada.secret, headers=[("Authorization", f"Bearer {second}")])
        assert answer.status == 401
    assert hub.requests(mark) == []


@pytest.mark.parametrize(
    "path",
    [
        "/acme/open-1b/../secret-70b/resolve/main/config.json",
        "/acme/open-1b/%2e%2e/secret-70b/resolve/main/config.json",
        "/acme/open-1b/..%2fsecret-70b/resolve/main/config.json",
        "/acme/open-1b/%252e%252e/secret-70b/resolve/main/config.json",
        "/acme/open-1b\\..\\secret-70b/resolve/main/config.json",
        "/acme/open-1b/..;x/secret-70b/resolve/main/config.json",
        "//acme/secret-70b/resolve/main/config.json",
        "/acme//secret-70b/resolve/main/config.json",
        "/./acme/secret-70b/resolve/main/config.json",
        "/acme%2fsecret-70b/resolve/main/config.json",
        "/acme%2Fsecret-70b%2Fresolve%2Fmain%2Fconfig.json",
        "/%61cme/secret-70b/resolve/main/config.json",
        "/ACME/Secret-70B/resolve/main/config.json",
        "/acme/secret-70b/RESOLVE/main/config.json",
        "/acme/secret-70b/resolve/main/config.json;x",
        "/acme/secret-70b/resolve/main/config.json%00",
        "/acme/secret-70b%3Fx/resolve/main/config.json",
        "/acme/secret-70b/resolve/main/config.json#x",
        "/acme/open-1b/resolve/main/../../../secret-70b/resolve/main/config.json",
        "/datasets/../acme/secret-70b/resolve/main/config.json",
        "http://other.example/acme/secret-70b/resolve/main/config.json",
        "/acme/secret-70b\xe9/../resolve/main/config.json",
    ],
)
def test_no_spelling_of_a_path_leads_elsewhere(front, hub, ask, linus, path):
    """He may read open-1b and not secret-70b: whatever it is read as, the hub hears nothing."""
    assert raw_status(front.port, OPEN, linus.secret) == 200
    mark = hub.mark()
    assert raw_status(front.port, path, linus.secret) in (400, 403, 404)
    assert hub.requests(mark) == []


def test_a_body_names_what_is_asked_for(front, hub, ask, ada, linus):
    batch, create = "/acme/secret-70b.git/info/lfs/objects/batch", "/api/repos/create"
    download = {"operation": "download", "objects": []}
    stored = {"oid": "0" * 64, "size": 1}
    rows = [
        (batch, ada, download, 200),
        (batch, ada, download | {"operation": "upload"}, 403),
        (batch, linus, download, 404),
        # As many as git-lfs asks for at once; and past what the verifier is shown.
        (batch, ada, download | {"objects": [stored] * 100}, 200),
        (batch, ada, download | {"objects": [stored] * 1000}, 413),
        (create, linus, {"name": "x", "organization": "acme"}, 403),
        (create, ada, {"name": "x"}, 403),
    ]
    for path, who, body, status in rows:
        mark = hub.mark()
        assert ask(front.port, path, who.secret, "POST", json.dumps(body).encode()).status == status, (path, body)
        assert len(hub.requests(mark)) == (status == 200)


@pytest.mark.parametrize("head", ["Content-Length: 0", "Transfer-Encoding: chunked"])
def test_an_empty_batch_is_not_one_that_nobody_showed(front, hub, mint, head):
    """It may not pass for an upload, though its sender may write."""
    writer, mark = mint("grace", "WRITE"), hub.mark()
    lines = ["POST /acme/secret-70b.git/info/lfs/objects/batch HTTP/1.1", "Host: hub", f"Authorization: Bearer {writer.secret}"]
    text = "\r\n".join([*lines, head, "Connection: close", "", "0\r\n\r\n" if "chunked" in head else ""])
    with socket.create_connection(("127.0.0.1", front.port), children.LIMIT) as connection:
        connection.sendall(text.encode())
        answer = connection.makefile("rb").read()
    assert answer.split()[1] == b"400", answer
    assert b"must be a JSON object" in answer
    assert hub.requests(mark) == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_body_that_goes_on_is_not_judged_by_its_beginning(front, hub, ada, whole):
    """In chunks, without a length: what has come so far is a whole JSON object."""
    batch, mark = "/acme/secret-70b.git/info/lfs/objects/batch", hub.mark()
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=children.LIMIT)
    connection.putrequest("POST", batch)
    connection.putheader("Authorization", f"Bearer {ada.secret}")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    # All that Envoy shows, to the byte.
    size = 1000 if whole else 65_536
    piece = b'{"operation": "download", "objects": []}'.ljust(size)
    connection.send(b"%x\r\n%s\r\n" % (size, piece))
    if whole:
        connection.send(b"0\r\n\r\n")
    # Without the end of its body, the other one is answered already.
    answer = connection.getresponse()
    assert answer.status == (200 if whole else 413)
    if not whole:
        assert "longer than this verifier reads" in answer.getheader("x-error-message")
    answer.read()
    connection.close()
    assert len(hub.requests(mark)) == whole


def test_a_model_server_is_asked_by_the_model_in_the_body(bare, hub, ask, ada, linus):
    def asked(model, who):
        body = json.dumps({"model": model, "messages": []}).encode()
        return ask(bare.port, "/v1/chat/completions", who and who.secret, "POST", body).status

    mark = hub.mark()
    assert asked("acme/secret-70b", ada) == 200
    [request] = hub.requests(mark)
    assert ours(request)["x-tokenward-subject"] == "u-ada"
    mark = hub.mark()
    assert asked("acme/secret-70b", linus) == 404
    assert asked("acme/nothing", linus) == 404
    assert asked("acme/secret-70b", None) == 401
    assert ask(bare.port, "/v1/chat/completions", ada.secret, "POST", b"{}").status == 400
    twice = b'{"model":"acme/open-1b","model":"acme/secret-70b"}'
    assert ask(bare.port, "/v1/chat/completions", linus.secret, "POST", twice).status == 400
    assert hub.requests(mark) == []
    assert asked("acme/open-1b", linus) == 200


def test_a_route_may_say_what_it_takes(bare, hub, ask, ada, linus):
    mark = hub.mark()
    assert ask(bare.port, "/one/whatever/../it/is", linus.secret).status == 404
    assert ask(bare.port, "/one/whatever", None).status == 401
    # A setting by halves closes the route.
    answer = ask(bare.port, "/half/of/it", ada.secret)
    assert answer.status == 403
    assert answer.header("x-error-message") == "context_extensions: resource: required with permission"
    assert hub.requests(mark) == []
    ask(bare.port, "/one/whatever", ada.secret)
    [request] = hub.requests(mark)
    assert ours(request)["x-tokenward-subject"] == "u-ada"
    assert "authorization" not in request["headers"]


def test_a_grpc_caller_reads_grpc_errors(bare, ada, linus):
    codes = grpc.StatusCode
    rows = [
        ("/one/Infer", linus.secret, codes.NOT_FOUND, "Repository not found"),
        ("/one/Infer", "tw_bad", codes.UNAUTHENTICATED, INVALID),
        ("/one/Infer", None, codes.UNAUTHENTICATED, "Invalid username or password."),
        ("/acme.Model/Infer", ada.secret, codes.PERMISSION_DENIED, "no rule of the route table fits"),
    ]
    with grpc.insecure_channel(f"127.0.0.1:{bare.port}") as channel:
        for method, token, code, message in rows:
            metadata = (("authorization", f"Bearer {token}"),) if token else ()
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(method)(b"", metadata=metadata, timeout=children.LIMIT)
            assert caught.value.code() == code, method
            assert message in caught.value.details()


def test_access_logs_are_told_who_it_was_and_why_not(bare, judge, ask, ada, linus):
    rows = [(ada, 200), (linus, 404), (None, 401)]
    for who, status in rows:
        path = f"{SECRET}?{uuid.uuid4().hex}"
        assert ask(bare.port, path, who and who.secret).status == status
        line = bare.logged(path)
        assert line["outcome"] == ("allowed" if status == 200 else "denied")
        assert line["status"] == status
        assert line["revision"] and line["age_seconds"] >= 0
        if who:
            assert (line["subject"], line["token_id"]) == (f"u-{'ada' if who is ada else 'linus'}", who.token.id)
        assert line["reason"] == {200: None, 404: "not_found", 401: "not_found"}[status]
    path = f"{SECRET}?{uuid.uuid4().hex}"
    ask(bare.port, path, "tw_bad")
    line = bare.logged(path)
    assert (line["reason"], line["subject"]) == ("token_malformed", None)
    counted = judge.metrics()
    for outcome in ("allowed", "not_found", "unauthenticated"):
        name = f'tokenward_verifier_door_requests_total{{door="ext_authz",outcome="{outcome}"}}'
        assert counted[name] > 0, outcome


class OverUnix(Envoy):
    """The verifier beside it, on a Unix socket."""

    def prepare(self):
        command, environment = super().prepare()
        path = self.folder / "envoy.yaml"
        text = path.read_text().replace("type: STRICT_DNS", "type: STATIC")
        address = f"{{ socket_address: {{ address: 127.0.0.1, port_value: {self.verifier} }} }}"
        assert text.count(address) == 1
        path.write_text(text.replace(address, f"{{ pipe: {{ path: {self.folder.parent / 's'} }} }}"))
        return command, environment


def test_a_unix_socket_serves(tmp_path, dev, hub, ask, ada, linus):
    beside = verifier_in(tmp_path, dev, "--listen", f"unix:{tmp_path / 's'}")
    front = None
    try:
        (tmp_path / "envoy").mkdir()
        front = OverUnix(tmp_path / "envoy", beside.grpc_port, hub.port)
        assert ask(front.port, SECRET, ada.secret).status == 200
        assert ask(front.port, SECRET, linus.secret).status == 404
    finally:
        beside.stop()
        if front:
            front.stop()


def test_an_answer_that_comes_too_late_lets_nothing_through(tmp_path, dev, hub, ask, ada):
    alone = verifier_in(tmp_path, dev)
    front = None
    try:
        (tmp_path / "envoy").mkdir()
        front = Envoy(tmp_path / "envoy", alone.grpc_port, hub.port)
        assert ask(front.port, SECRET, ada.secret).status == 200
        alone.freeze()
        mark = hub.mark()
        for _ in range(3):
            assert ask(front.port, SECRET, ada.secret).status == 503
        # What it was asked meanwhile it reads now.
        alone.thaw()
        last, passed = time.monotonic() + children.LIMIT, 0
        while not passed:
            assert time.monotonic() < last, "never back"
            passed = ask(front.port, SECRET, ada.secret).status == 200
        assert len(hub.requests(mark)) == 1
    finally:
        alone.kill()
        if front:
            front.stop()


@pytest.mark.parametrize("kind", [Envoy, Bare])
def test_a_verifier_that_is_gone_lets_nothing_through(kind, tmp_path, dev, hub, ask, ada):
    alone = verifier_in(tmp_path, dev)
    front = None
    try:
        (tmp_path / "envoy").mkdir()
        front = kind(tmp_path / "envoy", alone.grpc_port, hub.port)
        # The new one knows the token once its view is fresh, which being ready says.
        assert ask(front.port, SECRET, ada.secret).status == 200
        alone.kill()
        mark = hub.mark()
        for token in [ada.secret] * 20 + [None]:
            answer = ask(front.port, SECRET if token else OPEN, token)
            assert answer.status == 503
            assert answer.header("x-error-message") == "the access check did not answer"
            assert answer.header("retry-after") == "1"
        assert hub.requests(mark) == []
    finally:
        alone.kill()
        if front:
            front.stop()
