"""Every route that a stock client can call is decided on: a rule of the hub's table takes it, or
`tests/cases/clients.tsv` says why none does. What each rule takes, `tests/cases/requests.tsv` says.
"""

import pytest

from children import CLIENTS, CLIENTS_OLD, JS, ROOT

from . import reading
from .decided import Decided, rules

HUB = ROOT / "verifier" / "src" / "edge" / "routes" / "hub.tsv"
CASES = ROOT / "tests" / "cases" / "clients.tsv"


def package(venv):
    [folder] = venv.glob("lib/python3*/site-packages/huggingface_hub")
    return folder


def routes():
    """By client: what it calls."""
    npm = JS / "node_modules" / "@huggingface"
    sources = {
        "huggingface_hub": reading.of_python(package(CLIENTS)),
        "huggingface_hub 0.36": reading.of_python(package(CLIENTS_OLD)),
        "@huggingface/hub": reading.of_typescript(npm / "hub" / "src"),
        "@huggingface/inference": reading.of_typescript(npm / "inference" / "src"),
        "providers of huggingface_hub": reading.of_python_providers(package(CLIENTS) / "inference" / "_providers"),
        "providers of 0.36": reading.of_python_providers(package(CLIENTS_OLD) / "inference" / "_providers"),
        "providers of @huggingface/inference": reading.of_typescript_providers(
            npm / "inference" / "src" / "providers"
        ),
    }
    return {client: sorted({(method, reading.plain(path)) for method, path in found}) for client, found in sources.items()}


@pytest.fixture(scope="module")
def called():
    return routes()


def test_every_route_of_the_clients_is_decided_on(called):
    decided = Decided(CASES.read_text(), rules(HUB.read_text()))
    missing = [f"{client}: {told}" for client, found in called.items() for told in decided.missing(found)]
    assert missing == [], "\n".join(missing)


def test_no_decision_is_about_what_no_client_calls(called):
    decided = Decided(CASES.read_text(), rules(HUB.read_text()))
    every = {route for found in called.values() for route in found}
    assert decided.unused(every) == []


def test_the_clients_are_read_whole(called):
    """That reading finds what is known to be there: of each client, plain and hard to read."""
    for client, least, known in (
        ("huggingface_hub", 140, ("GET /api/spaces/semantic-search", "POST /{prefix}/{id}.git/info/lfs/objects/batch")),
        ("huggingface_hub 0.36", 90, ("POST /api/spaces/{id}/duplicate", "DELETE /api/{kinds}/{id}/like")),
        ("@huggingface/hub", 40, ("GET /api/jobs/hardware", "HEAD /{prefix}/{id}/{}/{}/{}", "DELETE /api/repos/delete")),
        ("@huggingface/inference", 5, ("GET /api/tasks",)),
        ("providers of huggingface_hub", 20, ("POST /{}/v1/chat/completions", "POST /{}/v1/predictions")),
        ("providers of @huggingface/inference", 20, ("POST /{}/v2/videos", "POST /{}/v1/models/{id}/predictions")),
    ):
        found = [f"{method} {path}" for method, path in called[client]]
        assert len(found) >= least, (client, len(found))
        for one in known:
            assert one in found, (client, one)


def test_a_route_without_a_rule_is_noticed():
    """And one whose words would be read as names."""
    table = rules("GET /api/{kinds} - visitor\nGET /api/{kinds}/{id} - open\nGET /api/{kinds}/{id}/refs - open\n")
    for route, told in (
        (("GET", "/api/{kinds}"), None),
        (("GET", "/api/{kinds}/{id}"), None),
        (("GET", "/api/{kinds}/{id}/refs"), None),
        (("POST", "/api/{kinds}/{id}"), "no rule"),
        (("GET", "/api/{kinds}/{id}/likers"), "no rule"),
        (("GET", "/api/spaces/templates"), "read as a name"),
        (("GET", "/api/spaces/zero-gpu/quota"), "read as a name"),
        (("?", "/api/{kinds}/{id}"), "no method"),
    ):
        found = Decided("", table).missing([route])
        assert (not found) if told is None else told in found[0], (route, found)
    said = "closed\tPOST /api/{kinds}/{id}\tno such thing\nmeans\t? /api/{kinds}\tGET /api/{kinds}, PUT /api/models\n"
    decided = Decided(said, table)
    assert decided.missing([("POST", "/api/{kinds}/{id}")]) == []
    assert decided.missing([("?", "/api/{kinds}")]) == ["PUT /api/models: /api/models: no rule takes it"]
    assert decided.unused({("?", "/api/{kinds}")}) == ["POST /api/{kinds}/{id}"]
