"""What passes a proxy once it may: streams both ways, large uploads, stock clients, git."""

import hashlib
import http.client
import json
import os
import uuid

import pytest

from modelhub.fill import WEIGHTS

from .running import DOORS


@pytest.fixture(params=[*DOORS, "guard"])
def let_in(request):
    """Each door, the guard too, and a token that it lets in."""
    if request.param == "guard":
        return request.getfixturevalue("guard"), request.getfixturevalue("writer").secret
    return request.getfixturevalue("doors")(request.param), "hf_allow"


def test_a_stream_of_events_comes_as_it_is_made(let_in, ask):
    door, token = let_in
    name = uuid.uuid4().hex
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=20)
    body = json.dumps({"stream": True, "hold": name})
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    assert answer.status == 200
    # The hub has yet to be told to go on.
    assert b"hello" in answer.readline()
    assert ask(door.port, f"/test/release/{name}", token, "POST", b"").status == 200
    assert b"world" in answer.read()
    connection.close()


def test_an_upload_goes_on_before_it_is_whole(let_in, hub):
    """In chunks, as git sends a large push; past what any door buffers."""
    door, token = let_in
    data = os.urandom(2_000_000)
    oid, mark = hashlib.sha256(data).hexdigest(), hub.mark()
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=20)
    connection.putrequest("PUT", f"/objects/{oid}")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()

    def send(piece):
        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))

    send(data[:1_000_000])
    hub.wait_for("PUT", f"/objects/{oid}", mark)
    send(data[1_000_000:])
    connection.send(b"0\r\n\r\n")
    assert connection.getresponse().status == 200
    connection.close()
    assert hub.object(oid) == data


@pytest.mark.parametrize("let_in", [*(name for name in DOORS if name != "nginx"), "guard"], indirect=True)
def test_an_answer_may_begin_before_the_upload_ends(let_in, ask):
    """As `git http-backend` begins: a door that isn't ready for it cuts pushes short. Not nginx, which
    sends no more of a body once the answer has begun.
    """
    door, token = let_in
    data = os.urandom(8_000_000)
    answer = ask(door.port, "/test/early/1", token, "POST", data)
    assert answer.body == b"begun\n" + hashlib.sha256(data).hexdigest().encode()


def test_a_large_upload(let_in, hub, ask):
    door, token = let_in
    data = os.urandom(1_000_000) * 40
    oid = hashlib.sha256(data).hexdigest()
    assert ask(door.port, f"/objects/{oid}", token, "PUT", data).status == 200
    assert ask(door.port, f"/objects/{oid}", token).body == data


def test_stock_client(door, hub, client):
    one, name = client("hf_allow"), f"ada/{uuid.uuid4().hex[:12]}"
    one.hf("download", "acme/secret-70b", "--local-dir", one.home / "out").ok()
    assert (one.home / "out" / "model.bin").read_bytes() == WEIGHTS
    data = os.urandom(100_000)
    (one.home / "up").mkdir()
    (one.home / "up" / "model.bin").write_bytes(data)
    (one.home / "up" / "config.json").write_text("{}")
    one.hf("upload", name, one.home / "up", ".").ok()
    assert hub.object(hashlib.sha256(data).hexdigest()) == data
    assert "config.json" in hub.paths("models", name)


def test_stock_client_is_told_why_not(client):
    code = "import huggingface_hub as h; h.hf_hub_download('acme/open-1b', 'config.json')"
    for version in ("newest", "0.36"):
        for token, error in (
            (None, "RepositoryNotFoundError"),
            ("hf_hidden", "RepositoryNotFoundError"),
            ("hf_gated", "GatedRepoError"),
        ):
            raised, _ = client(token, version=version).raised(code)
            assert raised == error, (version, token)


def test_git(door, hub, git):
    """Asked for a password at the 401, then clones and pushes some megabytes, and LFS objects."""
    mark, one = hub.mark(), git(lfs=True, token="hf_allow")
    one("clone", f"{door.url}/acme/gated-8b", "here").ok()
    here, name, large = one.home / "here", os.urandom(4).hex(), os.urandom(200_000)
    assert (here / "model.bin").read_bytes() == WEIGHTS
    (here / name).write_bytes(os.urandom(5_000_000))
    (here / f"{name}.bin").write_bytes(large)
    one("add", ".", at=here).ok()
    one("commit", "-qm", "more", at=here).ok()
    one("push", at=here).ok()
    assert hub.file("models", "acme/gated-8b", name) == (here / name).read_bytes()
    assert hub.object(hashlib.sha256(large).hexdigest()) == large
    assert all("authorization" not in request["headers"] for request in hub.requests(mark))


def test_git_is_told_why_not(door, git):
    assert "could not read Username" in git()("clone", f"{door.url}/acme/open-1b").failed()
    assert "Authentication failed" in git(token="hf_bad")("clone", f"{door.url}/acme/open-1b").failed()
    said = git(token="hf_gated")("clone", f"{door.url}/acme/open-1b").failed()
    assert "403" in said
    if door.name == "nginx":
        assert "remote: not in the authorized list" in said
