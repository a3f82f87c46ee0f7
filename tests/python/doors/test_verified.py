"""The real verifier behind each door, and as one by itself: what stock clients and git may do, and that a revocation ends it.

Behind nginx and Caddy the verifier refuses what only a body explains: LFS batches, repos created.
"""

import concurrent.futures
import os
import time
import uuid

import pytest

import children
from clients.stock import VENVS, Git, Stock
from modelhub.fill import WEIGHTS

from .running import DOORS

SECRET = "acme/secret-70b"
CONFIG = f"/{SECRET}/resolve/main/config.json"
BATCH = f"/{SECRET}.git/info/lfs/objects/batch"


@pytest.fixture(scope="session", params=[*DOORS, "guard"])
def guarded(request, tmp_path_factory, hub):
    if request.param == "guard":
        yield request.getfixturevalue("guard")
        return
    kind, verifying = DOORS[request.param], request.getfixturevalue("verifying")
    port = verifying.grpc_port if kind.grpc else verifying.http_port
    running = kind(tmp_path_factory.mktemp(kind.name), port, hub.port)
    yield running
    running.stop()


def told(answer):
    return answer.status, answer.header("x-error-code")


def test_who_may_read(guarded, hub, ask, reader):
    port, mark = guarded.port, hub.mark()
    assert told(ask(port, CONFIG)) == (401, "RepoNotFound")
    assert told(ask(port, "/acme/none/resolve/main/config.json")) == (401, "RepoNotFound")
    assert told(ask(port, "/acme/none/resolve/main/config.json", reader.secret)) == (404, "RepoNotFound")
    bad = ask(port, "/acme/open-1b/resolve/main/README.md", "tw_bad")
    assert (bad.status, bad.header("x-error-message")) == (401, "Invalid credentials in Authorization header")
    assert ask(port, "/acme/open-1b/..%2fsecret-70b/resolve/main/config.json").status == 400
    assert hub.requests(mark) == []
    assert ask(port, "/acme/open-1b/resolve/main/README.md").status == 200
    assert ask(port, CONFIG, reader.secret).status == 200
    named = hub.requests(mark)[-1]["headers"]
    assert (named["x-tokenward-subject"], named["x-tokenward-role"]) == ("u-ada", "read")
    assert "authorization" not in named


@pytest.mark.parametrize("version", list(VENVS))
def test_stock_client(guarded, hub, home, reader, writer, version):
    one = Stock(home(), guarded.url, reader.secret, version)
    one.hf("download", SECRET, "--local-dir", one.home / "out").ok()
    assert (one.home / "out" / "model.bin").read_bytes() == WEIGHTS
    missing = "import huggingface_hub as h; h.hf_hub_download('acme/none', 'config.json')"
    assert one.raised(missing)[0] == "RepositoryNotFoundError"

    two, name = Stock(home(), guarded.url, writer.secret, version), uuid.uuid4().hex
    (two.home / "up").mkdir()
    (two.home / "up" / f"{name}.json").write_text("{}")
    if guarded.bodies:
        (two.home / "up" / f"{name}.bin").write_bytes(os.urandom(50_000))
    two.hf("upload", SECRET, two.home / "up", ".").ok()
    assert f"{name}.json" in hub.paths("models", SECRET)
    (one.home / "up").mkdir()
    (one.home / "up" / f"no-{name}.json").write_text("{}")
    assert "403" in one.hf("upload", SECRET, one.home / "up", ".").failed()
    assert f"no-{name}.json" not in hub.paths("models", SECRET)


def test_git(guarded, hub, home, reader, writer):
    one, name = Git(home(), lfs=guarded.bodies, token=writer.secret), uuid.uuid4().hex
    for git, pushes in ((one, True), (Git(home(), token=reader.secret), False)):
        git("clone", f"{guarded.url}/{SECRET}", "here").ok()
        here = git.home / "here"
        (here / f"{name}-{pushes}").write_bytes(os.urandom(2_000_000))
        if guarded.bodies and pushes:
            assert (here / "model.bin").read_bytes() == WEIGHTS
            (here / f"{name}.bin").write_bytes(os.urandom(9_000))
        git("add", ".", at=here).ok()
        git("commit", "-qm", "more", at=here).ok()
        pushed = git("push", at=here)
        if pushes:
            pushed.ok()
        else:
            assert "remote: the token's owner lacks" in pushed.failed()
        assert (f"{name}-{pushes}" in hub.paths("models", SECRET)) == pushes


def test_lfs_by_its_operation(guarded, ask, reader):
    up, down = (b'{"operation": "%s", "objects": []}' % name for name in (b"upload", b"download"))
    assert ask(guarded.port, BATCH, reader.secret, "POST", up).status == 403
    # Where no body is shown, even reading is refused.
    expected = 200 if guarded.bodies else 403
    assert ask(guarded.port, BATCH, reader.secret, "POST", down).status == expected


def test_a_revocation_ends_a_download_midway(guarded, hub, home, ask, stubs, tokens, reader):
    one, mark, files = Stock(home(), guarded.url, reader.secret), hub.mark(), f"/{SECRET}/resolve/"
    code = f"import huggingface_hub as h; h.snapshot_download({SECRET!r}, max_workers=1)"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with hub.hold(files, after=6):
            running = pool.submit(one.python, code)
            hub.wait_for(None, files, mark, 7)
            tokens.RevokeToken(stubs.token.RevokeTokenRequest(token_id=reader.token.id))
            last = time.monotonic() + children.LIMIT
            while ask(guarded.port, "/api/models/acme/open-1b", reader.secret).status != 401:
                assert time.monotonic() < last, "still let in"
        running.result().failed()
    # The one that was held had been let through already.
    assert len([request for request in hub.requests(mark) if request["path"].startswith(files)]) == 7
