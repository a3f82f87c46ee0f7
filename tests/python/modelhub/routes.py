"""Which function answers which route. Paths are matched as sent and decoded once, piece by piece."""

import re
import urllib.parse
import uuid

from . import changes, content, holds, inference, lfs, metadata, smart
from .repos import Repos
from .wire import Refused

API = r"/api/(?P<kind>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
PAGE = r"/(?:(?P<kind>datasets|spaces)/)?(?P<name>[^/]+/[^/]+?)(?:\.git)?"
REVISION = r"/(?P<revision>[^/]+)"

ROUTES = [
    ("POST", "/test/hold/(?P<name>[^/]+)", holds.hold),
    ("POST", "/test/release/(?P<name>[^/]+)", holds.release),
    ("POST", "/test/early/(?P<name>[^/]+)", holds.early),
    ("GET", API, metadata.info),
    ("GET", API + "/revision" + REVISION, metadata.info),
    ("GET", API + "/tree" + REVISION + r"(?:/(?P<path>.+))?", metadata.tree),
    ("POST", API + "/paths-info" + REVISION, metadata.paths_info),
    ("GET", API + "/refs", metadata.refs),
    ("GET", API + "/commits" + REVISION, metadata.commits),
    ("GET", API + "/auth-check(?:/write)?", metadata.auth_check),
    ("POST", API + "/preupload" + REVISION, changes.preupload),
    ("POST", API + "/commit" + REVISION, changes.commit),
    ("POST DELETE", API + "/(?P<group>branch|tag)/(?P<ref>[^/]+)", changes.make_ref),
    ("PUT", API + "/settings", changes.accept),
    ("POST", "/api/repos/create", changes.create),
    ("DELETE", "/api/repos/delete", changes.delete),
    ("POST", "/api/validate-yaml", changes.validate_yaml),
    ("GET", "/api/resolve-cache" + API.removeprefix("/api") + REVISION + "/(?P<path>.+)", content.resolve),
    ("GET", PAGE + "/resolve" + REVISION + "/(?P<path>.+)", content.resolve),
    ("GET", PAGE + "/raw" + REVISION + "/(?P<path>.+)", content.raw),
    ("GET", PAGE + "/(?P<service>info/refs)", smart.serve),
    ("POST", PAGE + "/(?P<service>git-upload-pack|git-receive-pack)", smart.serve),
    ("POST", PAGE + "/info/lfs/objects/batch", lfs.batch),
    ("POST", PAGE + "/info/lfs/verify", lfs.verify),
    ("GET POST", PAGE + "/info/lfs/locks(?P<rest>/.*)?", lfs.locks),
    ("GET", "/objects/(?P<oid>[^/]+)", lfs.object_bytes),
    ("PUT", "/objects/(?P<oid>[^/]+)", lfs.put_object),
    ("GET", "/v1/models", inference.models),
    ("POST", "/v1/chat/completions", inference.completions),
]
ROUTES = [(methods.split(), re.compile(pattern), function) for methods, pattern, function in ROUTES]


class Hub:
    def __init__(self, root):
        self.repos = Repos(root)
        self.storage = None

    def storage_url(self, oid):
        return f"{self.storage}/objects/{oid}?expires=600&signature={uuid.uuid4().hex}"

    def answer(self, request):
        holds.wait(request.path)
        method = "GET" if request.method == "HEAD" else request.method
        for methods, pattern, function in ROUTES:
            found = method in methods and pattern.fullmatch(request.path)
            if found:
                named = found.groupdict().items()
                # An absent kind is a model's page; other absent parts keep the function's default.
                parts = {key: value and urllib.parse.unquote(value) for key, value in named}
                parts = {key: value for key, value in parts.items() if value is not None or key == "kind"}
                return function(self, request, **parts)
        raise Refused(404, f"no route {request.method} {request.path}")
