"""A verifier in a process of its own beside `tokenward dev`, with the doors that proxies ask at.

Follows the same issuer as the one inside `dev`, so a token minted there is known here.
"""

import os
import pathlib
import signal
import time
import urllib.error
import urllib.request

import children

# As `tokenward dev` names itself.
REALM, ISSUER = "dev", "http://tokenward.localhost"


class Verifier:
    """`http_port` serves /auth, `grpc_port` Check and ext_authz; `dev` is what `tokenward dev` printed."""

    def __init__(self, program, folder, dev, *options):
        folder = pathlib.Path(folder)
        self.grpc_port, self.http_port, self.admin_port = (children.free_port() for _ in range(3))
        self.log = folder / "verifier.log"
        credential = pathlib.Path(dev["credential_file"]).with_name("verifier.credential")
        command = [
            program, "--realm", REALM, "--issuer", ISSUER, "--jwks", dev["keys"],
            "--feed", dev["issuer"], "--feed-credential-file", credential,
            "--listen", f"127.0.0.1:{self.grpc_port}",
            "--http-listen", f"127.0.0.1:{self.http_port}",
            "--admin-listen", f"127.0.0.1:{self.admin_port}",
            "--drain-delay", "0s", "--name", f"test-{self.grpc_port}", *options,
        ]  # fmt: skip
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self.process = children.start([str(part) for part in command], self.log, env=environment)
        try:
            self._ready()
        except BaseException:
            self.stop()
            raise

    def _ready(self):
        last = time.monotonic() + children.LIMIT
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=2).close()
                return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < last, self.log.read_text()
                time.sleep(0.02)

    def scraped(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as page:
            return page.read().decode()

    def metrics(self):
        lines = self.scraped().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def freeze(self):
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    def kill(self):
        children.end(self.process, signal.SIGKILL)

    def stop(self):
        children.end(self.process)
