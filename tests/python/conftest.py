"""What a client needs: stubs from the .proto files alone, and a Tokenward to talk to."""

import importlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import grpc
import pytest
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 20


@pytest.fixture(scope="session")
def stubs(tmp_path_factory):
    """Generated as any client would: from proto/, by grpc_tools, nothing of this repository else."""
    out = tmp_path_factory.mktemp("stubs")
    public = ROOT / "proto" / "tokenward" / "v1"
    well_known = pathlib.Path(importlib.import_module("grpc_tools").__file__).parent / "_proto"
    arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{well_known}"]
    arguments += [f"--python_out={out}", f"--grpc_python_out={out}"]
    arguments += [str(path) for path in sorted(public.glob("*.proto"))]
    assert protoc.main(arguments) == 0
    sys.path.insert(0, str(out))

    class Stubs:
        def __init__(self):
            for name in ("token", "directory", "verifier", "org"):
                setattr(self, name, importlib.import_module(f"tokenward.v1.{name}_pb2"))
                grpc_module = importlib.import_module(f"tokenward.v1.{name}_pb2_grpc")
                setattr(self, f"{name}_grpc", grpc_module)

    return Stubs()


def program():
    named = os.environ.get("TOKENWARD_BIN")
    if named:
        return named
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = target / "ci" / "tokenward"
    if not path.exists():
        pytest.exit(f"{path} is not there: cargo build --profile ci -p tokenward", returncode=2)
    return str(path)


class Dev:
    """`tokenward dev` in a folder; `printed` is what it said of itself."""

    def __init__(self, folder, *options):
        for _ in range(20):
            # Thirteen ports from here, below those that the system gives to others.
            port = random.randrange(10_000, 30_000, 20)
            command = [program(), "--json", "dev", "--data", str(folder / "hub"), "--port", str(port)]
            command += options
            log = open(folder / "log", "w+")
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            lines = []
            # One JSON value over several lines; at its end the program only waits.
            for line in self.process.stdout:
                lines.append(line)
                if line.startswith("}"):
                    break
            if lines and lines[-1].startswith("}"):
                break
            self.process.wait(LIMIT)
            log.seek(0)
            text = log.read()
            assert "in use" in text, text
        else:
            pytest.fail("no free ports")
        self.printed = json.loads("".join(lines))

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(LIMIT) == 0


@pytest.fixture(scope="session")
def dev(tmp_path_factory):
    """`tokenward dev` in a folder of its own; what it printed."""
    running = Dev(tmp_path_factory.mktemp("data"))
    yield running.printed
    running.stop()


# Every secret of a token that was minted in this run.
MINTED = set()


class Minted(grpc.UnaryUnaryClientInterceptor):
    """Remembers the secrets, so that a test can look for them."""

    def intercept_unary_unary(self, continuation, details, request):
        call = continuation(details, request)
        if call.code() == grpc.StatusCode.OK:
            MINTED.add(getattr(call.result(), "secret", "") or "")
            MINTED.discard("")
        return call


class Credential(grpc.UnaryUnaryClientInterceptor):
    """Loopback without TLS takes no call credentials, so the header is added by hand."""

    def __init__(self, secret):
        self.metadata = (("authorization", f"Bearer {secret}"),)

    def intercept_unary_unary(self, continuation, details, request):
        details = details._replace(metadata=(*(details.metadata or ()), *self.metadata))
        return continuation(details, request)


def channel_to(url):
    return grpc.insecure_channel(url.removeprefix("http://"))


def operator_of(dev):
    secret = pathlib.Path(dev["credential_file"]).read_text().strip()
    return grpc.intercept_channel(channel_to(dev["issuer"]), Minted(), Credential(secret))


@pytest.fixture(scope="session")
def operator(dev):
    """A channel to the issuer that carries the operator's credential."""
    secret = pathlib.Path(dev["credential_file"]).read_text().strip()
    return operator_of(dev), Credential(secret).metadata


@pytest.fixture(scope="session")
def tokens(stubs, operator):
    return stubs.token_grpc.TokenServiceStub(operator[0])


@pytest.fixture(scope="session")
def directory(stubs, operator):
    return stubs.directory_grpc.DirectoryServiceStub(operator[0])


@pytest.fixture(scope="session")
def verifier(stubs, dev):
    return stubs.verifier_grpc.VerifierServiceStub(channel_to(dev["verifier"]))


@pytest.fixture(scope="session")
def check(stubs, verifier):
    """Asks as an inference server does; waits until the view knows the revision."""
    messages = stubs.verifier

    def ask(token, name, permission="repo.content.read", revision=""):
        repo = messages.RepoRef(kind=stubs.directory.REPO_KIND_MODEL, name=name)
        request = messages.CheckRequest(
            resource=messages.Resource(repo=repo), permission=permission, min_revision=revision
        )
        if token is None:
            request.anonymous.SetInParent()
        else:
            request.token = token
        end = time.monotonic() + LIMIT
        while True:
            try:
                return verifier.Check(request, timeout=LIMIT)
            except grpc.RpcError as error:
                behind = error.code() == grpc.StatusCode.UNAVAILABLE
                if not behind or time.monotonic() > end:
                    raise
            time.sleep(0.005)

    return ask
