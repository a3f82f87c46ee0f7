"""A verifier and an issuer that speak TLS, behind each proxy: it trusts their authority alone, and shows the
certificate that they ask for."""

import json
import pathlib
import urllib.parse

import pip._vendor.certifi
import pytest

from conftest import Dev
from verifying import Verifier

from .conftest import issuer_of, verifier_program
from .running import DOORS

SECRET = "/api/models/acme/secret-70b"
# Authorities that have signed none of the certificates here.
OTHERS = pip._vendor.certifi.where()


@pytest.fixture(scope="module")
def dev_tls(tmp_path_factory):
    running = Dev(tmp_path_factory.mktemp("tls"), "--tls")
    yield running.printed
    running.stop()


def file_of(dev, name):
    return pathlib.Path(dev["ca"]).with_name(name)


def shown(dev, ca=None):
    """What a proxy needs. `dev` has one certificate that stands for nobody; it will do for a client's."""
    return {
        "NAME": "localhost",
        "CA": ca or dev["ca"],
        "CERTIFICATE": file_of(dev, "server.pem"),
        "KEY": file_of(dev, "server.key"),
    }


@pytest.fixture(scope="module")
def asking(tmp_path_factory, dev_tls):
    """Verifiers that ask for a certificate of these authorities."""
    running = {}

    def start(authorities):
        if authorities not in running:
            options = ["--peer-ca", dev_tls["ca"], "--tls-client-ca", authorities]
            options += ["--tls-certificate", file_of(dev_tls, "server.pem"), "--tls-key", file_of(dev_tls, "server.key")]
            running[authorities] = Verifier(verifier_program(), tmp_path_factory.mktemp("asking"), dev_tls, *options)
        return running[authorities]

    yield start
    for each in running.values():
        each.stop()


@pytest.fixture(params=list(DOORS))
def door_to(request, tmp_path_factory, dev_tls, hub):
    """A proxy before a verifier's ports."""
    running = []

    def start(grpc_port, http_port, ca=None):
        kind = DOORS[request.param]
        ports = {"http": http_port, "issuer": issuer_of(dev_tls), "tls": shown(dev_tls, ca)}
        port = grpc_port if kind.grpc else http_port
        running.append(kind(tmp_path_factory.mktemp(kind.name), port, hub.port, **ports))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def token(dev_tls):
    return pathlib.Path(dev_tls["token_file"]).read_text().strip()


def ports_of(dev):
    return [urllib.parse.urlsplit(dev[name]).port for name in ("verifier", "http")]


def test_dev_with_tls_stands_behind_the_proxy(door_to, dev_tls, hub, ask, token):
    door, mark = door_to(*ports_of(dev_tls)), hub.mark()
    assert ask(door.port, SECRET, token).status == 200
    [request] = hub.requests(mark)
    assert request["path"] == SECRET
    mark = hub.mark()
    assert ask(door.port, SECRET).status == 401
    # What verifier and issuer answer themselves comes by TLS too.
    who = ask(door.port, "/api/whoami-v2", token)
    assert (who.status, json.loads(who.body)["name"]) == (200, "ada")
    keys = ask(door.port, "/.well-known/jwks.json")
    assert keys.status == 200 and json.loads(keys.body)["keys"]
    assert hub.requests(mark) == []


def test_the_proxy_shows_the_certificate_that_is_asked_for(door_to, asking, dev_tls, ask, token):
    verifier = asking(dev_tls["ca"])
    door = door_to(verifier.grpc_port, verifier.http_port)
    assert ask(door.port, SECRET, token).status == 200
    # It is none of those that this verifier asks for: nobody is let through.
    verifier = asking(OTHERS)
    door = door_to(verifier.grpc_port, verifier.http_port)
    assert ask(door.port, SECRET, token).status == 503


def test_the_proxy_trusts_the_named_authority_alone(door_to, dev_tls, ask, token):
    door = door_to(*ports_of(dev_tls), ca=OTHERS)
    assert ask(door.port, SECRET, token).status == 503
