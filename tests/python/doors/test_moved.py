"""A repo that was renamed, by its old name: every door sends on, and stock clients and git follow."""

import time
import uuid

import pytest

import children

from clients.stock import VENVS, Git, Stock

# At the hub; the directory's sample hasn't it.
PRESENT = "acme/tiny-bert"


@pytest.fixture
def rename(stubs, directory, guarded, reader, ask):
    """To PRESENT, from a name that it returns."""
    messages = stubs.directory
    # Each has its own: an id that was deleted is never used again.
    id = f"r-moved-{uuid.uuid4().hex[:8]}"

    def make(visibility):
        name = f"acme/old-{uuid.uuid4().hex[:8]}"
        for now in (name, PRESENT):
            repo = messages.Repo(
                id=id, kind=messages.REPO_KIND_MODEL, owner_id="o-acme", name=now.partition("/")[2],
                visibility=visibility, gate=messages.GATE_MODE_NONE,
            )  # fmt: skip
            directory.Write(messages.WriteRequest(operations=[messages.Operation(put_repo=repo)]))
        last = time.monotonic() + children.LIMIT
        while ask(guarded.port, f"/api/models/{name}", reader.secret).status != 307:
            assert time.monotonic() < last, "the rename never arrived"
        return name

    yield make
    directory.Write(messages.WriteRequest(operations=[messages.Operation(delete_repo=id)]))


@pytest.fixture
def old(stubs, rename):
    """Private, so that a stranger isn't sent on."""
    return rename(stubs.directory.VISIBILITY_PRIVATE)


def test_each_door_sends_on_who_may_see_it(guarded, hub, ask, old, reader, mint):
    mark = hub.mark()
    stranger = mint("linus", "WRITE").secret
    for path in (
        "/{}/resolve/main/config.json?download=true",
        "/{}/resolve/refs%2Fpr%2F1/a%20b",
        "/{}.git/info/refs?service=git-upload-pack",
        "/api/models/{}/revision/main",
    ):
        answer = ask(guarded.port, path.format(old), reader.secret)
        assert (answer.status, answer.header("location")) == (307, path.format(PRESENT))
        # In another case too.
        answer = ask(guarded.port, path.format(PRESENT.replace("tiny", "TINY")), reader.secret)
        assert (answer.status, answer.header("location")) == (307, path.format(PRESENT))
        for token in (stranger, None):
            hidden, missing = (ask(guarded.port, path.format(name), token) for name in (old, "acme/nothing"))
            assert (hidden.status, hidden.body) == (missing.status, missing.body)
            assert (hidden.status, hidden.header("x-error-code")) == (404 if token else 401, "RepoNotFound")
            assert hidden.header("location") is None
    assert hub.requests(mark) == []


@pytest.mark.parametrize("version", list(VENVS))
def test_stock_clients_follow(guarded, hub, home, old, reader, version):
    one = Stock(home(), guarded.url, reader.secret, version)
    one.hf("download", old, "--local-dir", one.home / "out").ok()
    wanted = hub.file("models", PRESENT, "config.json")
    assert (one.home / "out" / "config.json").read_bytes() == wanted
    code = f"import huggingface_hub as h; print(open(h.hf_hub_download({old!r}, 'config.json')).read())"
    assert one.python(code).ok().strip() == wanted.decode()


def test_git_follows(guarded, hub, home, stubs, rename, reader):
    """By itself where it is sent on at once. What it is told after it was asked for a password it follows
    only if it is set to: it forgets where it was led."""

    def cloned(git, *options):
        git(*options, "clone", f"{guarded.url}/{name}", "here").ok()
        assert (git.home / "here" / "config.json").read_bytes() == hub.file("models", PRESENT, "config.json")

    name = rename(stubs.directory.VISIBILITY_PUBLIC)
    cloned(Git(home()))
    name = rename(stubs.directory.VISIBILITY_PRIVATE)
    cloned(Git(home(), token=reader.secret), "-c", "http.followRedirects=true")
