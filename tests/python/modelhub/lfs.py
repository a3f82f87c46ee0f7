"""Git LFS: the batch that names where objects are, the objects, and the verify after an upload.

Objects live on a listener of their own, as a real hub keeps them on another origin: links are
absolute and carry a signature (which nobody checks here), and no token has business there.
"""

import hashlib
import os
import uuid

from .content import ranged
from .wire import Answer, Refused, answer_json

KIND = "application/vnd.git-lfs+json"


def pointer(oid, size):
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()


def batch(hub, request, kind, name):
    repo = hub.repos.find(kind or "models", name)
    wanted = request.json()
    prefix = "" if repo.kind == "models" else f"{repo.kind}/"
    verify = f"{request.base()}/{prefix}{name}.git/info/lfs/verify"
    objects = []
    for item in wanted["objects"]:
        oid, size = item["oid"], item["size"]
        there = hub.repos.object_path(oid).exists()
        told = {"oid": oid, "size": size}
        link = {"href": hub.storage_url(oid), "expires_in": 600}
        if wanted["operation"] == "upload":
            if not there:
                told["actions"] = {"upload": link, "verify": {"href": verify, "expires_in": 600}}
        elif there:
            told["actions"] = {"download": link}
        else:
            told["error"] = {"code": 404, "message": "Object does not exist"}
        objects.append(told)
    return answer_json({"transfer": "basic", "objects": objects}, kind=KIND)


def verify(hub, request, kind, name):
    wanted = request.json()
    path = hub.repos.object_path(wanted["oid"])
    if not path.exists() or path.stat().st_size != wanted["size"]:
        raise Refused(404, "Object does not exist or has another size")
    return answer_json({}, kind=KIND)


def locks(hub, request, kind, name, rest=""):
    """Nobody holds any."""
    request.body()
    return answer_json({"ours": [], "theirs": [], "locks": []}, kind=KIND)


def put_object(hub, request, oid):
    path = hub.repos.object_path(oid)
    part = path.with_suffix("." + uuid.uuid4().hex)
    digest = hashlib.sha256()
    with open(part, "wb") as file:
        for piece in request.pieces():
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != oid:
        part.unlink()
        raise Refused(422, "the bytes are not those that the oid names")
    os.replace(part, path)
    return Answer()


def object_bytes(hub, request, oid):
    path = hub.repos.object_path(oid)
    if not path.exists():
        raise Refused(404, "Object does not exist")
    headers = {"ETag": f'"{oid}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    return ranged(request, path.read_bytes(), headers)
