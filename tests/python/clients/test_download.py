"""Downloads by the stock client, straight from the hub: everything arrives, and what was asked for it."""

import concurrent.futures

import pytest

from modelhub.fill import SHARDS, WEIGHTS, shards

SECRET = "acme/secret-70b"


def assert_whole(hub, folder):
    paths = hub.paths("models", SECRET)
    assert len(paths) == SHARDS + 4
    for path in paths:
        expected = WEIGHTS if path == "model.bin" else hub.file("models", SECRET, path)
        assert (folder / path).read_bytes() == expected, path


def test_hf_download(hub, client):
    mark, one = hub.mark(), client()
    one.hf("download", SECRET, "--local-dir", one.home / "out").ok()
    assert_whole(hub, one.home / "out")
    resolved = [request for request in hub.requests(mark) if "/resolve/" in request["path"]]
    assert {"HEAD", "GET"} == {request["method"] for request in resolved}
    assert all(request["headers"]["authorization"] == "Bearer hf_test" for request in resolved)
    stored = hub.requests(mark, "storage")
    assert len(stored) == 1
    assert "authorization" not in stored[0]["headers"]


def test_snapshot_download(hub, client):
    mark, one = hub.mark(), client()
    code = f"import huggingface_hub as h; print(h.snapshot_download({SECRET!r}))"
    folder = one.python(code).ok().strip()
    assert_whole(hub, one.home / folder)
    api = [request["path"] for request in hub.requests(mark) if request["path"].startswith("/api/models")]
    assert api[0] == f"/api/models/{SECRET}/revision/main"


def test_a_download_can_be_held_midway(hub, client):
    """What tests of revocation stand on: some files are there, the next is on its way."""
    mark, one = hub.mark(), client()
    code = f"import huggingface_hub as h; print(h.snapshot_download({SECRET!r}, max_workers=1))"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with hub.hold(f"/{SECRET}/resolve/", after=6):
            running = pool.submit(one.python, code)
            hub.wait_for(None, f"/{SECRET}/resolve/", mark, 7)
            assert not running.done()
            got = [path for path in one.home.rglob("snapshots/*/**/*") if path.is_file()]
        folder = running.result().ok().strip()
    assert 0 < len(got) < 7
    assert_whole(hub, one.home / folder)


def test_what_is_missing_is_named(client):
    one = client()
    code = (
        "import huggingface_hub as h\n"
        "for repo, file, revision in ("
        "('acme/open-1b', 'nope', 'main'), ('acme/open-1b', 'README.md', 'nope'),"
        " ('acme/nope', 'f', 'main')):\n"
        "    try:\n"
        "        h.hf_hub_download(repo, file, revision=revision)\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__)\n"
    )
    raised = one.python(code).ok().split()
    assert raised[0] in ("RemoteEntryNotFoundError", "EntryNotFoundError")
    assert raised[1:] == ["RevisionNotFoundError", "RepositoryNotFoundError"]


def test_what_is_told_of_a_repo(hub, client):
    code = (
        "import huggingface_hub as h\n"
        "api = h.HfApi()\n"
        f"info = api.model_info({SECRET!r}, files_metadata=True)\n"
        "print(info.private, sum(s.lfs is not None for s in info.siblings))\n"
        f"print(api.get_paths_info({SECRET!r}, ['model.bin', 'nope'])[0].size)\n"
        f"print(api.list_repo_refs({SECRET!r}).branches[0].target_commit)\n"
        f"print(len(api.list_repo_commits({SECRET!r})))\n"
        f"api.auth_check({SECRET!r})\n"
    )
    told = client().python(code).ok().split()
    head = hub.git("models", SECRET, "rev-parse", "main").decode().strip()
    assert told == ["True", "1", str(len(WEIGHTS)), head, "2"]


@pytest.mark.parametrize("version", ["newest"])
def test_a_part_of_a_file(client):
    code = (
        "import huggingface_hub as h\n"
        f"f = h.HfFileSystem().open('{SECRET}/parts/shard-00.json', block_size=100)\n"
        "f.seek(1000); print(f.read(10).decode())\n"
    )
    assert client().python(code).ok().strip() == shards()["parts/shard-00.json"][1000:1010].decode()
