"""The hub without a check, and the clients in front of it."""

import uuid

import pytest

import children
from modelhub.running import Hub

from .stock import VENVS, Git, Stock


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    running = Hub(tmp_path_factory.mktemp("hub"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def door(hub):
    """Where clients go: here straight to the hub."""
    return hub.url


@pytest.fixture(params=list(VENVS))
def version(request):
    return request.param


@pytest.fixture
def client(tmp_path, door, version):
    """One of each version, each in a fresh home."""

    def make(token="hf_test", version=version):
        home = children.home(tmp_path / f"home-{uuid.uuid4().hex[:8]}")
        return Stock(home, door, token, version)

    return make


@pytest.fixture
def git(tmp_path):
    def make(**options):
        home = children.home(tmp_path / f"home-{uuid.uuid4().hex[:8]}")
        return Git(home, **options)

    return make


@pytest.fixture
def fresh():
    """A name that no other test uses."""
    return f"ada/{uuid.uuid4().hex[:12]}"
