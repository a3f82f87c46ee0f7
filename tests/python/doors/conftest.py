"""Each proxy between the hub and a stand-in for the verifier, or the verifier itself."""

import http.client
import os
import pathlib
import time
import urllib.parse
import uuid

import grpc
import pytest

import children
from conftest import channel_to, program

from clients.stock import Git, Stock
from modelhub.running import Hub
from verifying import Verifier

from .running import DOORS, Authorizer, Guard

# What only the small hub has.
TESTED = "POST /test/{rest} - identity\nGET,PUT /objects/{any} - identity\n"


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    running = Hub(tmp_path_factory.mktemp("hub"))
    yield running
    running.stop()


def verifier_program():
    return os.environ.get("TOKENWARD_VERIFIER_BIN") or pathlib.Path(program()).with_name("tokenward-verifier")


def verifier_in(folder, dev, *options):
    return Verifier(verifier_program(), folder, dev, *options)


def issuer_of(dev):
    """The port of its HTTP listener."""
    return urllib.parse.urlsplit(dev["keys"]).port


@pytest.fixture(scope="session")
def verifying(tmp_path_factory, dev):
    """A verifier beside `tokenward dev`, of whose sample the hub holds the repos."""
    running = verifier_in(tmp_path_factory.mktemp("verifier"), dev)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def known(stubs, verifying):
    """Until that verifier's view has a revision."""
    stub = stubs.verifier_grpc.VerifierServiceStub(channel_to(f"127.0.0.1:{verifying.grpc_port}"))

    def wait(revision):
        request = stubs.verifier.CheckRequest(permission="repo.content.read", min_revision=revision)
        request.anonymous.SetInParent()
        request.resource.repo.name = "acme/open-1b"
        request.resource.repo.kind = stubs.directory.REPO_KIND_MODEL
        last = time.monotonic() + children.LIMIT
        while True:
            try:
                return stub.Check(request, timeout=children.LIMIT)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE and time.monotonic() < last, error
            time.sleep(0.005)

    return wait


@pytest.fixture(scope="session")
def mint(stubs, tokens, known):
    """A token that the verifier knows."""

    def make(owner="ada", role="READ", **fields):
        role = stubs.token.Role.Value(f"ROLE_{role}")
        request = stubs.token.CreateTokenRequest(owner_name=owner, name=uuid.uuid4().hex, role=role, **fields)
        made = tokens.CreateToken(request)
        known(made.revision)
        return made

    return make


@pytest.fixture
def reader(mint):
    return mint("ada", "READ")


@pytest.fixture
def writer(mint):
    return mint("grace", "WRITE")


@pytest.fixture(scope="session")
def authorizers(tmp_path_factory):
    made = {grpc: Authorizer(tmp_path_factory.mktemp("authorizer"), grpc) for grpc in (False, True)}
    yield made
    for authorizer in made.values():
        authorizer.stop()


@pytest.fixture(scope="session")
def doors(tmp_path_factory, hub, authorizers):
    """Each by its name, started when first asked for."""
    running = {}

    def start(name):
        if name not in running:
            kind = DOORS[name]
            running[name] = kind(tmp_path_factory.mktemp(name), authorizers[kind.grpc].port, hub.port)
        return running[name]

    yield start
    for each in running.values():
        each.stop()


@pytest.fixture(scope="session", params=list(DOORS))
def door(request, doors):
    return doors(request.param)


@pytest.fixture(scope="session")
def guard(tmp_path_factory, dev, hub):
    """The verifier as a proxy by itself."""
    issuer = ("--guard-issuer", f"http://127.0.0.1:{issuer_of(dev)}")
    running = Guard(verifier_program(), tmp_path_factory.mktemp("guard"), dev, hub.port, *issuer, routes=TESTED)
    yield running
    running.stop()


@pytest.fixture(scope="session", params=[*DOORS, Guard.name])
def guarded(request, tmp_path_factory, dev, hub):
    """Each proxy between the hub and the verifier, and the guard."""
    if request.param == Guard.name:
        yield request.getfixturevalue("guard")
        return
    kind, verifying = DOORS[request.param], request.getfixturevalue("verifying")
    port = verifying.grpc_port if kind.grpc else verifying.http_port
    ports = {"http": verifying.http_port, "issuer": issuer_of(dev)}
    running = kind(tmp_path_factory.mktemp(kind.name), port, hub.port, **ports)
    yield running
    running.stop()


@pytest.fixture
def authorizer(door, authorizers):
    return authorizers[door.grpc]


@pytest.fixture
def home(tmp_path):
    return lambda: children.home(tmp_path / uuid.uuid4().hex[:8])


@pytest.fixture
def client(door, home):
    return lambda token, **options: Stock(home(), door.url, token, **options)


@pytest.fixture
def git(home):
    return lambda **options: Git(home(), **options)


class Answer:
    def __init__(self, response):
        self.status, self.body = response.status, response.read()
        self.headers = {}
        for name, value in response.getheaders():
            self.headers.setdefault(name.lower(), []).append(value)

    def header(self, name):
        """The one value, or None: a header sent twice is an error."""
        values = self.headers.get(name, [])
        assert len(values) <= 1, (name, values)
        return values[0] if values else None


@pytest.fixture
def ask():
    """A request to a port with its path as written; nothing is tidied up on the way."""

    def send(port, path, token=None, method="GET", body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.putrequest(method, path, skip_accept_encoding=True)
        if token is not None:
            connection.putheader("Authorization", f"Bearer {token}")
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    return send


@pytest.fixture
def free_port():
    return children.free_port()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """What looks through all that was written comes last."""
    items.sort(key=lambda item: item.path.name == "test_written.py")
