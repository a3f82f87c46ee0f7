"""Each proxy between the hub and a stand-in for the verifier."""

import http.client
import os
import pathlib
import uuid

import pytest

import children

from clients.stock import Git, Stock
from conftest import program
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
def verifier_program():
    return os.environ.get("TOKENWARD_VERIFIER_BIN") or pathlib.Path(program()).with_name("tokenward-verifier")


@pytest.fixture(scope="session")
def verifying(tmp_path_factory, verifier_program, dev):
    """A verifier beside `tokenward dev`, of whose sample the hub holds the repos."""
    running = Verifier(verifier_program, tmp_path_factory.mktemp("verifier"), dev)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def guard(tmp_path_factory, verifier_program, dev, hub):
    running = Guard(verifier_program, tmp_path_factory.mktemp("guard"), dev, hub.port, routes=TESTED)
    yield running
    running.stop()


@pytest.fixture
def mint(stubs, tokens):
    def make(owner, role):
        request = stubs.token.CreateTokenRequest(owner_name=owner, role=role, name=uuid.uuid4().hex)
        return tokens.CreateToken(request)

    return make


@pytest.fixture
def reader(mint, stubs):
    return mint("ada", stubs.token.ROLE_READ)


@pytest.fixture
def writer(mint, stubs):
    return mint("grace", stubs.token.ROLE_WRITE)


@pytest.fixture
def authorizer(door, authorizers):
    return authorizers[door.grpc]


@pytest.fixture
def home(tmp_path):
    def make():
        made = tmp_path / uuid.uuid4().hex[:8]
        made.mkdir()
        return made

    return make


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
