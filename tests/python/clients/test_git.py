"""Git itself, with and without git-lfs."""

import hashlib
import os

from modelhub.fill import WEIGHTS
from modelhub.lfs import pointer

SECRET = "acme/secret-70b"


def test_clone_without_lfs_gives_pointers(hub, git):
    one = git()
    one("clone", f"{hub.url}/{SECRET}", "here").ok()
    assert (one.home / "here" / "model.bin").read_bytes() == hub.file("models", SECRET, "model.bin")


def test_clone_and_pull_with_lfs(hub, git):
    mark, one = hub.mark(), git(lfs=True)
    one("clone", f"{hub.url}/{SECRET}.git", "here").ok()
    assert (one.home / "here" / "model.bin").read_bytes() == WEIGHTS
    assert [request["method"] for request in hub.requests(mark, "storage")] == ["GET"]
    later = git(lfs=True)
    later.environment["GIT_LFS_SKIP_SMUDGE"] = "1"
    later("clone", f"{hub.url}/{SECRET}.git", "here").ok()
    assert (later.home / "here" / "model.bin").stat().st_size < 200
    later("lfs", "pull", at=later.home / "here").ok()
    assert (later.home / "here" / "model.bin").read_bytes() == WEIGHTS


def test_push(hub, git):
    one, name = git(), os.urandom(4).hex()
    one("clone", f"{hub.url}/datasets/ada/notes", "here").ok()
    here = one.home / "here"
    (here / name).write_bytes(os.urandom(3_000_000))
    one("add", name, at=here).ok()
    one("commit", "-qm", "more", at=here).ok()
    one("push", at=here).ok()
    assert hub.file("datasets", "ada/notes", name) == (here / name).read_bytes()


def test_push_with_lfs(hub, git):
    one, name, data = git(lfs=True), os.urandom(4).hex() + ".bin", os.urandom(400_000)
    one("clone", f"{hub.url}/acme/gated-8b", "here").ok()
    here = one.home / "here"
    (here / name).write_bytes(data)
    one("add", name, at=here).ok()
    one("commit", "-qm", "weights", at=here).ok()
    mark = hub.mark()
    one("push", at=here).ok()
    oid = hashlib.sha256(data).hexdigest()
    assert hub.file("models", "acme/gated-8b", name) == pointer(oid, len(data))
    assert hub.object(oid) == data
    asked = [request["path"] for request in hub.requests(mark)]
    assert "/acme/gated-8b.git/info/lfs/verify" in asked
