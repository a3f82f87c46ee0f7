"""The real verifier behind each door, and as one by itself: what stock clients and git may do, and that a revocation ends it.

Behind nginx and Caddy, which show no bodies, an LFS batch counts as an upload, and no repo is created.
"""

import concurrent.futures
import hashlib
import json
import os
import time
import uuid

import pytest

import children
from clients.stock import VENVS, Git, Stock
from modelhub.fill import WEIGHTS

SECRET = "acme/secret-70b"
CONFIG = f"/{SECRET}/resolve/main/config.json"
BATCH = f"/{SECRET}.git/info/lfs/objects/batch"


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


def test_nothing_says_another_method_or_path(guarded, hub, ask, reader):
    """Some servers would do what these say, and not what was judged."""
    forged = {
        "X-HTTP-Method": "DELETE",
        "X-HTTP-Method-Override": "DELETE",
        "X-Method-Override": "DELETE",
        "X-Original-Method": "DELETE",
        "X-Original-URI": "/acme/other/x",
        "X-Original-URL": "/acme/other/x",
        "X-Rewrite-URL": "/acme/other/x",
        "X-Forwarded-Method": "DELETE",
        "X-Forwarded-Uri": "/acme/other/x",
        "X-Forwarded-Prefix": "/acme/other",
    }
    assert ask(guarded.port, CONFIG, reader.secret, headers=forged.items()).status == 200
    named = hub.requests()[-1]["headers"]
    assert not {name.lower() for name in forged} & set(named)


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
    weights = os.urandom(50_000)
    (two.home / "up" / f"{name}.bin").write_bytes(weights)
    two.hf("upload", SECRET, two.home / "up", ".").ok()
    assert {f"{name}.json", f"{name}.bin"} <= set(hub.paths("models", SECRET))
    assert hub.object(hashlib.sha256(weights).hexdigest()) == weights
    (one.home / "up").mkdir()
    (one.home / "up" / f"no-{name}.json").write_text("{}")
    assert "403" in one.hf("upload", SECRET, one.home / "up", ".").failed()
    assert f"no-{name}.json" not in hub.paths("models", SECRET)


@pytest.mark.parametrize("version", list(VENVS))
def test_who_am_i(verifying, home, mint, version):
    """As the verifier answers it itself."""
    made = mint("ada")
    one = Stock(home(), f"http://127.0.0.1:{verifying.http_port}", made.secret, version)
    if version == "newest":
        said = one.hf("auth", "whoami").ok()
        assert "ada" in said and "acme" in said
    code = (
        "import huggingface_hub as h, os\n"
        "token = os.environ.pop('HF_TOKEN')\n"
        "h.login(token=token)\n"
        "told = h.whoami()\n"
        "print(told['name'], told['orgs'][0]['name'], told['auth']['accessToken']['role'])\n"
    )
    assert one.python(code).ok().splitlines()[-1] == "ada acme read"


@pytest.fixture
def tiny(stubs, directory):
    d = stubs.directory
    repo = d.Repo(
        id="m-tiny", kind=d.REPO_KIND_MODEL, owner_id="o-acme", name="tiny-bert", creator_id="u-grace",
        visibility=d.VISIBILITY_PRIVATE, gate=d.GATE_MODE_NONE,
    )  # fmt: skip
    directory.Write(d.WriteRequest(operations=[d.Operation(put_repo=repo)]))
    yield repo.id
    directory.Write(d.WriteRequest(operations=[d.Operation(delete_repo=repo.id)]))


@pytest.mark.parametrize("guarded", ["envoy"], indirect=True)
def test_a_token_for_one_repo_is_enough(guarded, hub, home, stubs, tiny, mint):
    """Its 403 to creating the repo, which is there, stops no upload. At one door: what differs between
    them, bodies, is in the tests above.
    """
    t = stubs.token

    def scoped(owner, kind, entity, permission):
        scope = t.Scope(entity_kind=kind, entity_id=entity, permissions=[permission])
        return mint(owner, "FINE_GRAINED", scopes=t.Scopes(scoped=[scope])).secret

    writes = scoped("grace", t.ENTITY_KIND_MODEL, "m-secret", "repo.write")
    one, name = Stock(home(), guarded.url, writes), uuid.uuid4().hex
    (one.home / "up").mkdir()
    (one.home / "up" / f"{name}.json").write_text("{}")
    (one.home / "up" / f"{name}.bin").write_bytes(os.urandom(50_000))
    mark = hub.mark()
    one.hf("upload", SECRET, one.home / "up", ".").ok()
    assert {f"{name}.json", f"{name}.bin"} <= set(hub.paths("models", SECRET))
    assert "/api/repos/create" not in [request["path"] for request in hub.requests(mark)]
    one.hf("download", SECRET, "--local-dir", one.home / "out").ok()
    assert (one.home / "out" / "model.bin").read_bytes() == WEIGHTS
    # Not what it isn't for.
    assert "'acme/tiny-bert' not found" in one.hf("download", "acme/tiny-bert").failed()

    reads = scoped("ada", t.ENTITY_KIND_MODEL, tiny, "repo.content.read")
    notes = scoped("ada", t.ENTITY_KIND_DATASET, "d-notes", "repo.content.read")
    code = (
        "import huggingface_hub as h\n"
        "from transformers import AutoConfig, AutoTokenizer\n"
        "from datasets import load_dataset\n"
        f"print(AutoConfig.from_pretrained('acme/tiny-bert', token={reads!r}).hidden_size)\n"
        f"print(AutoTokenizer.from_pretrained('acme/tiny-bert', token={reads!r})('hello world')['input_ids'])\n"
        f"print(load_dataset('ada/notes', split='train', token={notes!r})['word'][:])\n"
        f"print(h.snapshot_download({SECRET!r}, token={writes!r}).rsplit('/')[-2])\n"
    )
    told = Stock(home(), guarded.url).python(code).ok().splitlines()
    assert told == ["8", "[5, 6]", "['ada', 'grace', 'linus']", "snapshots"]


def commit(git, files):
    here = git.home / "here"
    for path, data in files.items():
        (here / path).write_bytes(data)
    git("add", ".", at=here).ok()
    git("commit", "-qm", "more", at=here).ok()
    return git("push", at=here)


def test_git(guarded, hub, home, reader, writer):
    """With LFS where its batch is let through; a push that may not be is told why."""
    name, weights = uuid.uuid4().hex, os.urandom(9_000)
    one = Git(home(), lfs=True, token=writer.secret)
    one("clone", f"{guarded.url}/{SECRET}", "here").ok()
    assert (one.home / "here" / "model.bin").read_bytes() == WEIGHTS
    commit(one, {f"{name}-1": os.urandom(2_000_000), f"{name}.bin": weights}).ok()
    assert {f"{name}-1", f"{name}.bin"} <= set(hub.paths("models", SECRET))
    assert hub.object(hashlib.sha256(weights).hexdigest()) == weights

    two = Git(home(), token=reader.secret)
    two("clone", f"{guarded.url}/{SECRET}", "here").ok()
    assert "remote: the token's owner lacks" in commit(two, {f"{name}-2": b"x"}).failed()
    assert f"{name}-2" not in hub.paths("models", SECRET)


def test_a_reader_s_clone_with_lfs(guarded, home, reader):
    """Reading is enough where the batch is seen to be a download."""
    one = Git(home(), lfs=True, token=reader.secret)
    cloned = one("clone", f"{guarded.url}/{SECRET}", "here")
    if guarded.bodies:
        cloned.ok()
        assert (one.home / "here" / "model.bin").read_bytes() == WEIGHTS
    else:
        assert "whatever was asked counts as an upload" in cloned.failed()


def test_lfs_by_its_operation(guarded, hub, ask, reader, writer):
    up, down = (b'{"operation": "%s", "objects": []}' % name for name in (b"upload", b"download"))
    for who, body, status in (
        (reader.secret, up, 403),
        # Where no body is shown, even reading takes the right to write.
        (reader.secret, down, 200 if guarded.bodies else 403),
        (writer.secret, up, 200),
        (writer.secret, down, 200),
        (None, down, 401),
    ):
        mark, answer = hub.mark(), ask(guarded.port, BATCH, who, "POST", body)
        assert answer.status == status
        assert answer.header("lfs-authenticate") == ('Basic realm="Tokenward", charset="UTF-8"' if status == 401 else None)
        assert len(hub.requests(mark)) == (status == 200)
        if status == 403 and not guarded.bodies:
            assert "counts as an upload" in answer.header("x-error-message")


def test_no_repo_is_made_by_a_body_that_nobody_reads(guarded, hub, ask, writer):
    for owner in (None, "acme", "linus"):
        body = json.dumps({"name": uuid.uuid4().hex} | ({"organization": owner} if owner else {})).encode()
        mark, answer = hub.mark(), ask(guarded.port, "/api/repos/create", writer.secret, "POST", body)
        allowed = guarded.bodies and owner != "linus"
        assert answer.status == (200 if allowed else 403)
        assert len(hub.requests(mark)) == allowed
        if not guarded.bodies:
            assert "hands no bodies to the check" in answer.header("x-error-message")


def test_every_way_to_give_git_a_token(guarded, hub, home, ask, reader, writer):
    """As user name, as password, in a header, by a helper; nobody and a bad one are asked to log in."""
    where = f"{guarded.url.removeprefix('http://')}/{SECRET}"
    ways = {
        "user name": lambda token: (f"http://{token}@{where}",),
        "password": lambda token: (f"http://anybody:{token}@{where}",),
        "header": lambda token: (f"http://{where}", f"http.extraHeader=Authorization: Bearer {token}"),
        "helper": lambda token: (f"http://{where}", f"credential.helper=!f() {{ echo username=x; echo password={token}; }}; f"),
    }
    git = Git(home())
    git("init", "-q").ok()
    git("commit", "-q", "--allow-empty", "-m", "one").ok()

    def run(way, token, *command):
        url, *settings = ways[way](token)
        return git(*(part for each in settings for part in ("-c", each)), *(url if part is None else part for part in command))

    for way in ways:
        ref = f"refs/heads/{uuid.uuid4().hex}"
        assert "refs/heads/main" in run(way, writer.secret, "ls-remote", None).ok(), way
        run(way, writer.secret, "push", "-q", None, f"HEAD:{ref}").ok()
        assert ref in hub.git("models", SECRET, "for-each-ref", "--format=%(refname)").decode().split()
        run(way, reader.secret[:-4] + "AAAA", "ls-remote", None).failed()
    ref = f"refs/heads/{uuid.uuid4().hex}"
    for way in ("user name", "header"):
        said = run(way, reader.secret, "push", "-q", None, f"HEAD:{ref}").failed()
        # Text, which git shows to its user.
        assert "remote: the token's owner lacks" in said and "403" in said, (way, said)
    assert ref not in hub.git("models", SECRET, "for-each-ref", "--format=%(refname)").decode().split()

    push = f"/{SECRET}.git/info/refs?service=git-receive-pack"
    answer = ask(guarded.port, push, reader.secret)
    assert answer.status == 403 and answer.header("content-type").startswith("text/plain")
    assert b"the token's owner lacks" in answer.body
    public, challenge = "/acme/open-1b.git/info/refs?service=", 'Basic realm="Tokenward", charset="UTF-8"'
    for path in (push, push.replace("receive", "upload"), public + "git-receive-pack"):
        answer = ask(guarded.port, path)
        assert (answer.status, answer.header("www-authenticate")) == (401, challenge)
    assert ask(guarded.port, public + "git-upload-pack").status == 200


def test_a_pull_request_with_large_files(guarded, hub, home, mint, writer):
    """Its LFS batch names no branch. Who may not write opens one of small files alone."""
    large, small, linus = f"{uuid.uuid4().hex}.bin", f"{uuid.uuid4().hex}.txt", mint("linus", "WRITE").secret

    def pull_request(token, repo, path):
        operation = f"h.CommitOperationAdd({path!r}, {path!r}.encode() * 9000)"
        return f"api.create_commit({repo!r}, [{operation}], commit_message='x', create_pr=True, token={token!r}).pr_num"

    told = Stock(home(), guarded.url).each(
        {
            "writer": pull_request(writer.secret, SECRET, large),
            "stranger, small": pull_request(linus, "acme/open-1b", small),
            "stranger, large": pull_request(linus, "acme/open-1b", large),
            "hidden": pull_request(linus, SECRET, small),
        }
    )
    assert large in hub.paths("models", SECRET, f"refs/pr/{told['writer'][1]}")
    assert large not in hub.paths("models", SECRET)
    assert small in hub.paths("models", "acme/open-1b", f"refs/pr/{told['stranger, small'][1]}")
    assert "403" in told["stranger, large"][1]
    assert told["hidden"][0] == "RepositoryNotFoundError"


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
