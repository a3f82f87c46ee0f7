"""A verifier in a process of its own, following the issuer of `tokenward dev`."""

import os
import pathlib
import time
import urllib.request

import children


def program():
    """The verifier that lies beside the `tokenward` under test."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", children.ROOT / "target"))
    beside = os.environ.get("TOKENWARD_BIN", target / "ci" / "tokenward")
    return pathlib.Path(beside).with_name("tokenward-verifier")

class Verifier:
    """`port`: gRPC. `http`: the doors that speak HTTP. Ready once made."""

    def __init__(self, folder, dev, *options):
        folder = pathlib.Path(folder)
        self.port, self.http, self.admin = (children.free_port() for _ in range(3))
        self.log = folder / "verifier.log"
        credential = pathlib.Path(dev["credential_file"]).parent / "verifier.credential"
        here = "127.0.0.1"
        command = [
            program(), "--listen", f"{here}:{self.port}", "--http-listen", f"{here}:{self.http}",
            "--admin-listen", f"{here}:{self.admin}", "--feed", dev["issuer"],
            "--feed-credential-file", credential, "--jwks", dev["keys"], "--realm", "dev",
            "--issuer", "http://tokenward.localhost", "--drain-delay", "0s", *options,
        ]  # fmt: skip
        self._process = children.start(command, self.log)
        try:
            self._ready()
        except BaseException:
            self.stop()
            raise

    def _ready(self):
        last = time.monotonic() + children.LIMIT
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=5).close()
                return
            except OSError:
                assert self._process.poll() is None, self.log.read_text()
                assert time.monotonic() < last, self.log.read_text()
                time.sleep(0.02)

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def kill(self):
        children.end(self._process, children.signal.SIGKILL)

    stop = kill
