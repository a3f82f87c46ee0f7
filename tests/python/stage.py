"""What the benches of real programs share: an issuer with a hub and tokens, and a verifier with one worker that
follows it. The servers run on the first core, the callers and the issuer on the second."""

import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

import children

CORES = os.cpu_count() or 1
SERVERS, CALLERS = 0, min(1, CORES - 1)
REPO = "org-0/model-0"


class Stage:
    """The programs that run, each in a log of its own; all end with it, by their ids."""

    def __init__(self, target, profile, folder):
        self.bin, self.folder = target / profile, pathlib.Path(folder)
        self.running, self.stage = {}, self.folder / "stage"

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.running.values()):
            children.end(process)

    def run(self, name, core, command, port=None):
        log = self.folder / f"{name}.log"
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        self.running[name] = children.start(pinned(core, command), log, env=environment)
        if port:
            children.listening(self.running[name], port, log)

    def follow(self, *more):
        """Starts the issuer and the verifier, with these arguments more."""
        self.run("issuer", CALLERS, [self.bin / "tokenward-bench", "stage", self.stage])
        self.until("issuer", 120, (self.stage / "follow").exists)
        feed, keys = (self.stage / "follow").read_text().split()
        self.grpc, admin = children.free_port(), children.free_port()
        self.run("verifier", SERVERS, [
            self.bin / "tokenward-verifier", "--workers", 1, "--realm", "bench", "--issuer", "https://tokens.example",
            "--feed", feed, "--feed-credential-file", self.stage / "follower.credential", "--jwks", keys,
            "--listen", f"127.0.0.1:{self.grpc}", "--admin-listen", f"127.0.0.1:{admin}", "--drain-delay", "0s",
            "--log", "warn", *more,
        ])  # fmt: skip
        self.until("verifier", 60, lambda: ready(admin))

    def until(self, name, seconds, condition):
        last = time.monotonic() + seconds
        while not condition():
            alive = self.running[name].poll() is None and time.monotonic() < last
            assert alive, f"{name}: not ready\n{(self.folder / f'{name}.log').read_text()}"
            time.sleep(0.05)

    def load(self, port, *options, tokens=True, limit=60):
        """Runs the load client with the tokens of the hub, and returns what it told."""
        known = ["--token-file", self.stage / "tokens"] if tokens else []
        command = [self.bin / "tokenward-load", f"127.0.0.1:{port}", "--repo", REPO, "--limit", f"{limit}s"]
        command = pinned(CALLERS, [*command, *known, *options])
        done = subprocess.run(command, text=True, capture_output=True, timeout=limit + 60)
        told = dict(line.split("=", 1) for line in done.stdout.splitlines())
        if tokens and done.returncode != 0:
            raise SystemExit(f"load failed: {' '.join(command)}\n{done.stdout}{done.stderr}")
        return {name: float(value) for name, value in told.items()}


def pinned(core, command):
    return [*(["taskset", "-c", str(core)] if CORES > 1 else []), *map(str, command)]


def ready(admin):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=2).close()
        return True
    except (urllib.error.URLError, OSError):
        return False
