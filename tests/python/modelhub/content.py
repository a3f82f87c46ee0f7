"""The files of a repo: whole, in ranges, and by redirect for those that LFS holds."""

import re

from .wire import Answer, Refused


def resolve(hub, request, kind, name, revision, path):
    repo = hub.repos.find(kind or "models", name)
    commit = repo.commit_of(revision)
    entry = repo.entry(commit, path)
    headers = {
        "X-Repo-Commit": commit,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'inline; filename="{path.split("/")[-1]}"',
    }
    if entry.lfs:
        oid, size = entry.lfs
        headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(size)}
        headers["Location"] = hub.storage_url(oid)
        return Answer(b"", 302, headers)
    headers |= {"ETag": f'"{entry.oid}"', "Content-Type": "text/plain; charset=utf-8"}
    return ranged(request, repo.blob(entry.oid), headers)


def raw(hub, request, kind, name, revision, path):
    """As git has it: of an LFS file, the pointer."""
    repo = hub.repos.find(kind or "models", name)
    commit = repo.commit_of(revision)
    data = repo.blob(repo.entry(commit, path).oid)
    return Answer(data, headers={"X-Repo-Commit": commit, "Content-Type": "text/plain"})


def ranged(request, data, headers):
    """One range at most, as downloads that go on where they stopped ask for it."""
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if not wanted:
        return Answer(data, headers=headers)
    start, end = int(wanted[1]), min(int(wanted[2] or len(data) - 1), len(data) - 1)
    if start >= len(data):
        raise Refused(416, f"the file has {len(data)} bytes")
    headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
    return Answer(data[start : end + 1], 206, headers)
