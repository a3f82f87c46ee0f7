"""What only the guard does: it ends by itself, and has no proxy that tidies up before it."""

import http.client
import os
import signal
import socket
import time

import pytest

import children

from .conftest import verifier_program
from .running import Guard
from .test_check import FORGED, PATHS, ours

FILE = "/acme/open-1b/resolve/main/README.md"
SECRET = "acme/secret-70b"


@pytest.fixture
def alone(tmp_path, dev):
    """A guard of the test's own, before this port."""
    started = []

    def start(upstream, *options):
        started.append(Guard(verifier_program(), tmp_path, dev, upstream, *options))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.mark.parametrize("path", PATHS)
def test_the_hub_gets_the_path_that_was_judged(guard, hub, ask, path):
    mark = hub.mark()
    answer = ask(guard.port, path)
    arrived = [request["path"] for request in hub.requests(mark)]
    assert arrived in ([], [path])
    assert SECRET not in "".join(arrived)
    assert arrived or answer.status in (400, 401, 403)


def test_who_it_is_comes_from_the_guard_alone(guard, hub, ask, reader):
    mark = hub.mark()
    assert ask(guard.port, FILE, reader.secret, headers=FORGED).status == 200
    assert ask(guard.port, FILE, headers=FORGED).status == 200
    named, nobody = hub.requests(mark)
    assert (ours(named)["x-tokenward-subject"], ours(named)["x-tokenward-role"]) == ("u-ada", "read")
    assert set(ours(named)) == {"x-tokenward-subject", "x-tokenward-token-id", "x-tokenward-role"}
    assert ours(nobody) == {}
    assert "authorization" not in named["headers"]


def test_a_hub_that_wants_the_credential_gets_it(alone, hub, ask, reader):
    mark, keeps = hub.mark(), alone(hub.port, "--guard-keep-credential")
    assert ask(keeps.port, FILE, reader.secret).status == 200
    assert hub.requests(mark)[0]["headers"]["authorization"] == f"Bearer {reader.secret}"


def test_a_hub_that_is_away_is_a_502(alone, ask, free_port):
    answer = ask(alone(free_port).port, FILE)
    assert answer.status == 502
    assert b"can't be reached" in answer.body


def test_told_to_end_it_finishes_what_it_began(alone, hub):
    guard, mark = alone(hub.port), hub.mark()
    connection = http.client.HTTPConnection("127.0.0.1", guard.port, timeout=30)
    with hub.hold(FILE):
        connection.request("GET", FILE)
        hub.wait_for("GET", FILE, mark)
        os.kill(guard.verifier.process.pid, signal.SIGTERM)
        last = time.monotonic() + children.LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", guard.port), 1).close()
            except OSError:
                break
            assert time.monotonic() < last, "it still listens"
            time.sleep(0.01)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, hub.file("models", "acme/open-1b", "README.md"))
    connection.close()
    assert guard.verifier.process.wait(children.LIMIT) == 0
