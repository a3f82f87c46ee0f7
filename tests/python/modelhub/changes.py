"""Repos made and deleted, and commits over HTTP, which really commit into the bare repo."""

import base64
import json
import shutil

from .lfs import pointer
from .wire import Refused, answer_json

LFS_ENDS = (".bin", ".safetensors")
# A real hub says 10 MB; this one keeps its repos small.
LFS_FROM = 1_000_000


def page(kind, name):
    return name if kind == "models" else f"{kind}/{name}"


def create(hub, request):
    wanted = request.json()
    kind = wanted.get("type", "model") + "s"
    name = f"{wanted.get('organization') or 'ada'}/{wanted['name']}"
    url = f"{request.base()}/{page(kind, name)}"
    private = wanted.get("private") or wanted.get("visibility") == "private"
    if hub.repos.create(kind, name, private=bool(private)) is None:
        return answer_json({"error": f"You already created this {kind[:-1]} repo: {name}", "url": url}, 409)
    return answer_json({"url": url, "name": name, "id": "0" * 24})


def delete(hub, request):
    wanted = request.json()
    name = f"{wanted.get('organization') or 'ada'}/{wanted['name']}"
    shutil.rmtree(hub.repos.find(wanted.get("type", "model") + "s", name).folder)
    return answer_json({})


def validate_yaml(hub, request):
    request.body()
    return answer_json({"errors": [], "warnings": []})


def accept(hub, request, kind, name):
    """Settings and their like: nothing here depends on them."""
    hub.repos.find(kind, name)
    request.body()
    return answer_json({})


def make_ref(hub, request, kind, name, group, ref):
    repo = hub.repos.find(kind, name)
    full = f"refs/{'heads' if group == 'branch' else 'tags'}/{ref}"
    if request.method == "DELETE":
        repo.git("update-ref", "-d", full)
        return answer_json({})
    start = json.loads(request.body() or b"{}").get("startingPoint") or "main"
    repo.git("update-ref", full, repo.commit_of(start))
    return answer_json({})


def preupload(hub, request, kind, name, revision):
    hub.repos.find(kind, name)
    told = []
    for file in request.json()["files"]:
        large = file["path"].endswith(LFS_ENDS) or file["size"] >= LFS_FROM
        mode = "lfs" if large else "regular"
        told.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None})
    return answer_json({"files": told})


def commit(hub, request, kind, name, revision):
    """JSON Lines: a header, then what is added and deleted. `create_pr=1` puts it under refs/pr."""
    repo = hub.repos.find(kind, name)
    files, deleted, header = {}, [], {}
    for line in request.body().splitlines():
        step = json.loads(line)
        key, value = step["key"], step["value"]
        if key == "header":
            header = value
        elif key == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            if not hub.repos.object_path(value["oid"]).exists():
                raise Refused(400, f"{value['path']}: its LFS object was never uploaded")
            files[value["path"]] = pointer(value["oid"], value["size"])
        elif key in ("deletedFile", "deletedFolder"):
            deleted.append(value["path"])
        else:
            raise Refused(400, f"key {key} is not served")
    base = repo.commit_of(header.get("parentCommit") or revision)
    url = f"{request.base()}/{page(kind, name)}"
    told = {"success": True, "hookOutput": ""}
    ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    if request.query.get("create_pr") == "1":
        number = 1 + sum(name.startswith("refs/pr/") for name in repo.refs())
        ref = f"refs/pr/{number}"
        told["pullRequestUrl"] = f"{url}/discussions/{number}"
    elif header.get("parentCommit") and base != repo.commit_of(ref):
        raise Refused(412, "A commit has happened since. Please refresh and try again.")
    made = repo.commit(ref, header.get("summary", "upload"), files, deleted, parent=base)
    return answer_json(told | {"commitOid": made, "commitUrl": f"{url}/commit/{made}"})
