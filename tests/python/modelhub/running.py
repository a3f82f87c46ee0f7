"""A hub in a process of its own, and what it recorded."""

import contextlib
import json
import pathlib
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid

import children

HERE = pathlib.Path(__file__).resolve().parents[1]


class Hub:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.root, self.record, log = folder / "repos", folder / "requests.jsonl", folder / "hub.log"
        command = [sys.executable, "-m", "modelhub", "--root", self.root, "--record", self.record, "--fill"]
        self._process = children.start(command, log, stdout=subprocess.PIPE, cwd=HERE)
        ports = children.announced(self._process, log)
        self.port = ports["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.storage = f"http://127.0.0.1:{ports['storage_port']}"

    def stop(self):
        children.end(self._process)
        self._process.stdout.close()

    def mark(self):
        """A place in the record, for `requests`."""
        return self.record.stat().st_size

    def requests(self, since=0, listener="hub"):
        """What arrived since `mark`, oldest first; `headers` as a dict of lower-case names."""
        found = []
        with open(self.record) as file:
            file.seek(since)
            for line in file:
                request = json.loads(line)
                if request["listener"] == listener:
                    found.append(request | {"headers": dict(request["headers"])})
        return found

    def wait_for(self, method, path, since=0, count=1):
        """Until that many requests of paths that begin so have arrived, their bodies or not.

        Of any method where that is None.
        """
        last = time.monotonic() + children.LIMIT
        while True:
            found = [
                request
                for request in self.requests(since)
                if method in (None, request["method"]) and request["path"].startswith(path)
            ]
            if len(found) >= count:
                return found
            assert time.monotonic() < last, f"no {method} {path} arrived"
            time.sleep(0.01)

    def _tell(self, path, /, **query):
        target = f"{self.url}/test/{path}?{urllib.parse.urlencode(query)}"
        urllib.request.urlopen(urllib.request.Request(target, b"", method="POST"), timeout=20).close()

    @contextlib.contextmanager
    def hold(self, path, after=0):
        """Within: requests whose path begins so wait at the hub, all but the next `after`."""
        name = uuid.uuid4().hex
        self._tell(f"hold/{name}", path=path, after=after)
        try:
            yield
        finally:
            self._tell(f"release/{name}")

    def git(self, kind, name, *arguments):
        """Git in the bare repository itself, past every door."""
        folder = self.root / kind / f"{name}.git"
        return subprocess.run(
            ["git", "-C", folder, *arguments], check=True, capture_output=True, timeout=60
        ).stdout

    def file(self, kind, name, path, revision="main"):
        return self.git(kind, name, "cat-file", "blob", f"{revision}:{path}")

    def paths(self, kind, name, revision="main"):
        return self.git(kind, name, "ls-tree", "-r", "--name-only", revision).decode().split()

    def object(self, oid):
        return (self.root / "lfs" / oid).read_bytes()
