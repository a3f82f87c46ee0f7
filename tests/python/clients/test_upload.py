"""Uploads by the stock client: the commits are real, and LFS objects go to storage without a token."""

import hashlib
import os

from modelhub.lfs import pointer

LARGE = os.urandom(200_000)


def test_hf_upload(hub, client, git, fresh):
    mark, one = hub.mark(), client()
    folder = one.home / "up"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Up\n")
    (folder / "config.json").write_text("{}")
    (folder / "model.bin").write_bytes(LARGE)
    one.hf("upload", fresh, folder, ".").ok()

    assert hub.paths("models", fresh) == [".gitattributes", "README.md", "config.json", "model.bin"]
    oid = hashlib.sha256(LARGE).hexdigest()
    assert hub.file("models", fresh, "model.bin") == pointer(oid, len(LARGE))
    assert hub.object(oid) == LARGE
    asked = [request["path"].split("?")[0] for request in hub.requests(mark)]
    api = f"/api/models/{fresh}"
    wanted = ["/api/repos/create", f"{api}/preupload/main", f"{api}/commit/main"]
    batch = f"/{fresh}.git/info/lfs/objects/batch"
    assert [path for path in asked if path in (*wanted, batch)] == [*wanted[:2], batch, wanted[2]]
    for request in hub.requests(mark, "storage"):
        assert "authorization" not in request["headers"]
    # A second time: the repo is there, the object too.
    (folder / "config.json").write_text('{"again": true}')
    one.hf("upload", fresh, folder, ".").ok()
    assert hub.file("models", fresh, "config.json") == b'{"again": true}'


def test_pull_request(hub, client):
    code = (
        "import huggingface_hub as h\n"
        "api = h.HfApi()\n"
        "made = api.upload_file(path_or_fileobj=b'x', path_in_repo='x.txt', repo_id='acme/open-1b',"
        " create_pr=True)\n"
        "print(made.pr_num)\n"
    )
    number = client().python(code).ok().strip()
    assert "x.txt" in hub.paths("models", "acme/open-1b", f"refs/pr/{number}")
    assert "x.txt" not in hub.paths("models", "acme/open-1b")


def test_a_repo_s_life(hub, client, fresh):
    code = (
        "import huggingface_hub as h\n"
        "api = h.HfApi()\n"
        f"first = api.create_repo({fresh!r}, repo_type='dataset', private=True)\n"
        f"again = api.create_repo({fresh!r}, repo_type='dataset', exist_ok=True)\n"
        "assert str(first) == str(again), (first, again)\n"
        f"api.create_branch({fresh!r}, repo_type='dataset', branch='side')\n"
        f"api.upload_file(path_or_fileobj=b'1', path_in_repo='a.csv', repo_id={fresh!r}, repo_type='dataset',"
        " revision='side')\n"
        f"api.delete_file('a.csv', {fresh!r}, repo_type='dataset', revision='side')\n"
        f"files = api.list_repo_files({fresh!r}, repo_type='dataset', revision='side')\n"
        f"print(api.dataset_info({fresh!r}).private, files)\n"
        f"api.delete_repo({fresh!r}, repo_type='dataset')\n"
        f"print(api.repo_exists({fresh!r}, repo_type='dataset'))\n"
    )
    assert client().python(code).ok().splitlines() == ["True ['.gitattributes']", "False"]
