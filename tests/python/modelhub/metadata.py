"""What a hub tells of a repo without giving its files: info, tree, paths, refs, commits."""

import json
import urllib.parse

from .wire import answer_json


def flag(repo, name):
    return repo.git("config", "--get", f"hub.{name}", check=False).stdout.strip() == b"true"


def describe(entry):
    told = {
        "type": "directory" if entry.folder else "file",
        "oid": entry.oid,
        "size": entry.lfs[1] if entry.lfs else entry.size,
        "path": entry.path,
    }
    if entry.lfs:
        told["lfs"] = {"oid": entry.lfs[0], "size": entry.lfs[1], "pointerSize": entry.size}
    return told


def info(hub, request, kind, name, revision="main"):
    repo = hub.repos.find(kind, name)
    commit = repo.commit_of(revision)
    siblings = []
    for entry in repo.tree(commit):
        if entry.folder:
            continue
        told = {"rfilename": entry.path}
        if "blobs" in request.query:
            told |= {"size": describe(entry)["size"], "blobId": entry.oid}
            if entry.lfs:
                told["lfs"] = {"sha256": entry.lfs[0], "size": entry.lfs[1], "pointerSize": entry.size}
        siblings.append(told)
    value = {
        "_id": "0" * 24,
        "id": name,
        "author": name.split("/")[0],
        "sha": commit,
        "private": flag(repo, "private"),
        "gated": "manual" if flag(repo, "gated") else False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "siblings": siblings,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "lastModified": "2026-01-01T00:00:00.000Z",
    }
    if kind == "models":
        value["modelId"] = name
    return answer_json(value, headers={"X-Repo-Commit": commit})


def tree(hub, request, kind, name, revision, path=""):
    repo = hub.repos.find(kind, name)
    commit = repo.commit_of(revision)
    recursive = request.query.get("recursive", "").lower() in ("true", "1")
    entries = repo.tree(commit, path, recursive)
    return answer_json([describe(entry) for entry in entries], headers={"X-Repo-Commit": commit})


def paths_info(hub, request, kind, name, revision):
    """The wanted paths come as a form or as JSON; those that aren't there are left out."""
    text = request.body()
    if "json" in request.headers.get("Content-Type", ""):
        wanted = json.loads(text)["paths"]
    else:
        wanted = urllib.parse.parse_qs(text.decode()).get("paths", [])
    wanted = {path.rstrip("/") for path in wanted}
    repo = hub.repos.find(kind, name)
    commit = repo.commit_of(revision)
    found = [describe(entry) for entry in repo.tree(commit) if entry.path in wanted]
    return answer_json(found, headers={"X-Repo-Commit": commit})


def refs(hub, request, kind, name):
    groups = {"refs/heads/": "branches", "refs/tags/": "tags", "refs/pr/": "pullRequests"}
    answer = {"branches": [], "tags": [], "converts": [], "pullRequests": []}
    for ref, commit in hub.repos.find(kind, name).refs().items():
        for prefix, group in groups.items():
            if ref.startswith(prefix):
                told = {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": commit}
                answer[group].append(told)
    return answer_json(answer)


def commits(hub, request, kind, name, revision):
    repo = hub.repos.find(kind, name)
    logged = repo.git("log", "--format=%H%x00%s%x00%cI", repo.commit_of(revision)).stdout.decode()
    answer = []
    for line in logged.splitlines():
        commit, title, date = line.split("\0")
        told = {"id": commit, "title": title, "message": "", "date": date, "authors": []}
        answer.append(told)
    return answer_json(answer, headers={"X-Total-Count": str(len(answer))})


def auth_check(hub, request, kind, name):
    """Always yes: the hub checks nothing."""
    hub.repos.find(kind, name)
    return answer_json({})
