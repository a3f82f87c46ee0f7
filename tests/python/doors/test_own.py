"""What Tokenward answers itself, through each proxy: the hub behind gets no credential and couldn't tell."""

import json
import time
import urllib.request
import uuid

import pytest

import children
from clients.stock import Stock

from .conftest import issuer_of
from .running import DOORS, EnvoyHttp, Guard

SECRET, OPEN = "acme/secret-70b", "acme/open-1b"
REVOKE, KEYS = "/api/credentials/revoke", "/.well-known/jwks.json"
# As they are, to be spelled otherwise; none of them is the hub's.
SPELLED = [
    "//api/whoami-v2",
    "/api//whoami-v2",
    "/api/whoami-v2/",
    "/api/./whoami-v2",
    "/api/x/../whoami-v2",
    "/api/x/%2e%2e/whoami-v2",
    "/api/%2e/whoami-v2",
    "/api/whoami%2dv2",
    "/%61pi/whoami-v2",
    "/api/Whoami-V2",
    "/API/whoami-v2",
    "/api/whoami-v2;x",
    "/auth/../api/whoami-v2",
    f"/api/models/{SECRET}//auth-check",
    f"/api/models/{SECRET}/Auth-Check",
    f"/api/models/{SECRET}/auth%2dcheck",
    f"/api/models/{SECRET}/auth-check/",
    "/api/models/acme%2Fsecret-70b/auth-check",
    f"/api/models/{OPEN}/../secret-70b/auth-check",
    f"/api/Models/{SECRET}/auth-check",
    "/.well-known//jwks.json",
    "/.well-known/jwks%2ejson",
    "/.Well-Known/jwks.json",
    "/oauth/introspect",
    "/auth",
]


@pytest.fixture(scope="module", params=[*DOORS, EnvoyHttp.name, Guard.name])
def served(request, tmp_path_factory, dev, hub):
    if request.param == Guard.name:
        yield request.getfixturevalue("guard")
        return
    kind, verifying = {**DOORS, EnvoyHttp.name: EnvoyHttp}[request.param], request.getfixturevalue("verifying")
    ports = {"http": verifying.http_port, "issuer": issuer_of(dev)}
    port = verifying.grpc_port if kind.grpc else verifying.http_port
    running = kind(tmp_path_factory.mktemp(kind.name), port, hub.port, **ports)
    yield running
    running.stop()


def test_the_stock_client_hears_who_it_is_and_what_it_may_do(served, hub, home, mint):
    mark, made = hub.mark(), mint("ada", "READ")
    told = Stock(home(), served.url, made.secret).each(
        {
            "who": "(lambda it: (it['name'], it['orgs'][0]['name'], it['auth']['accessToken']['role']))(api.whoami())",
            "mine": f"api.auth_check({SECRET!r})",
            "open": f"api.auth_check({OPEN!r})",
            "missing": "api.auth_check('acme/none')",
            "nobody's": f"api.auth_check({SECRET!r}, token=False)",
        }
    )
    assert told["who"] == ["", "('ada', 'acme', 'read')"]
    assert (told["mine"], told["open"]) == (["", "None"], ["", "None"])
    for name in ("missing", "nobody's"):
        assert told[name][0] == "RepositoryNotFoundError", told[name]
    assert hub.requests(mark) == []


def test_leaked_tokens_are_the_issuer_s_and_so_are_the_keys(served, hub, ask, dev, mint):
    mark, made = hub.mark(), mint("ada", "READ")
    assert ask(served.port, "/api/whoami-v2", made.secret).status == 200
    found = json.dumps({"credentials": [f"found: {made.secret}"]}).encode()
    # Nobody's credential goes along, theirs neither.
    headers = [("Content-Type", "application/json")]
    answer = ask(served.port, REVOKE, "tw_x", "POST", found, headers)
    assert (answer.status, answer.body) == (202, b"{}")
    last = time.monotonic() + children.LIMIT
    while ask(served.port, "/api/whoami-v2", made.secret).status != 401:
        assert time.monotonic() < last, "still live"
        time.sleep(0.01)
    wrong = ask(served.port, REVOKE, None, "POST", b"[]", headers)
    assert (wrong.status, b"credentials" in wrong.body) == (400, True)
    keys = ask(served.port, KEYS)
    with urllib.request.urlopen(dev["keys"]) as page:
        assert (keys.status, json.loads(keys.body)) == (200, json.load(page))
    assert hub.requests(mark) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_spelling_reaches_nobody_else(served, hub, ask, mint, method):
    """Refused, or the very thing, by a proxy that makes the path plain before anyone sees it."""
    mark, made, body = hub.mark(), mint("linus", "READ"), b"{}" if method == "POST" else None
    for path in SPELLED:
        answer = ask(served.port, path, made.secret, method, body)
        if answer.status == 200:
            assert method == "GET" and (b"linus" in answer.body or b"keys" in answer.body), (path, answer.body)
        else:
            assert answer.status in (400, 401, 403, 404, 405), (path, answer.status, answer.body)
        assert not [name for name in answer.headers if name.startswith("x-tokenward-subject")], path
    assert hub.requests(mark) == []


def test_what_is_left_unread_of_a_body_is_no_request(served, hub):
    """As before the hub: a GET with a body that holds another request."""
    hidden = f"GET /{uuid.uuid4().hex}/hidden HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    mark, host = hub.mark(), f"Host: 127.0.0.1:{served.port}\r\n"
    for path in ("/api/whoami-v2", f"/api/models/{OPEN}/auth-check", KEYS):
        for body in (hidden, hidden + b"x" * 300_000):
            head = f"GET {path} HTTP/1.1\r\n{host}Content-Length: {len(body)}\r\n\r\n"
            last = f"GET {KEYS} HTTP/1.1\r\n{host}Connection: close\r\n\r\n"
            answers = children.conversation(served.port, head.encode() + body + last.encode())
            # One for each of the two, or the connection ended after the first.
            assert answers.count(b"HTTP/1.1 ") in (1, 2), (path, answers)
    assert hub.requests(mark) == []
