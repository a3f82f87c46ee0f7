"""The real Envoy, the real verifier, and a store that stops: no answer is better than an old one."""

import os
import signal
import time
import uuid

import pytest

import children
from conftest import Dev, operator_of

from .conftest import verifier_in
from .running import Envoy

OPEN = "/acme/open-1b/resolve/main/config.json"
SECRET = "/acme/secret-70b/resolve/main/config.json"


@pytest.fixture
def realm(tmp_path):
    """A `tokenward dev` that this test may stop, with all that it holds: the issuer and the store."""
    running = Dev(tmp_path)
    yield running
    running.process.send_signal(signal.SIGCONT)
    running.stop()


def until(ask, status):
    last = time.monotonic() + children.LIMIT
    while (answer := ask()).status != status:
        assert time.monotonic() < last, f"{answer.status}, never {status}"
    return answer


def test_a_store_that_is_frozen_ends_in_503_and_never_in_a_pass(tmp_path, realm, hub, ask, stubs):
    alone = verifier_in(tmp_path, realm.printed, "--bound-read", "1s", "--bound-write", "1s", "--bound-infer", "1s")
    front = None
    try:
        (tmp_path / "envoy").mkdir()
        front = Envoy(tmp_path / "envoy", alone.grpc_port, hub.port, http=alone.http_port)
        tokens = stubs.token_grpc.TokenServiceStub(operator_of(realm.printed))
        request = stubs.token.CreateTokenRequest(owner_name="ada", role=stubs.token.ROLE_READ, name=uuid.uuid4().hex)
        made = tokens.CreateToken(request)
        rows = [(SECRET, made.secret), (OPEN, None), ("/v1/models", made.secret), ("/api/whoami-v2", made.secret)]
        until(lambda: ask(front.port, SECRET, made.secret), 200)
        os.kill(realm.process.pid, signal.SIGSTOP)
        refused = until(lambda: ask(front.port, SECRET, made.secret), 503)
        # The verifier's own word: it is there.
        assert "try again" in refused.header("x-error-message") and refused.header("retry-after") == "1"
        mark = hub.mark()
        for _ in range(10):
            for path, token in rows:
                assert ask(front.port, path, token).status == 503, path
        # What isn't looked at for its credential needs no view.
        assert ask(front.port, "/api/agent-harnesses").status == 404
        assert [request["path"] for request in hub.requests(mark)] == ["/api/agent-harnesses"]
        counted = alone.metrics()
        assert counted['tokenward_verifier_door_requests_total{door="ext_authz",outcome="unavailable"}'] > 30
        assert counted['tokenward_verifier_door_requests_total{door="whoami",outcome="unavailable"}'] == 10
        os.kill(realm.process.pid, signal.SIGCONT)
        until(lambda: ask(front.port, SECRET, made.secret), 200)
        # And what is revoked then is refused, for good.
        tokens.RevokeToken(stubs.token.RevokeTokenRequest(token_id=made.token.id))
        until(lambda: ask(front.port, SECRET, made.secret), 401)
        os.kill(realm.process.pid, signal.SIGSTOP)
        passed, last, answer = 0, time.monotonic() + children.LIMIT, 401
        while answer != 503:
            answer = ask(front.port, SECRET, made.secret).status
            passed += answer not in (401, 503)
            assert time.monotonic() < last
        assert passed == 0
    finally:
        alone.kill()
        if front:
            front.stop()
