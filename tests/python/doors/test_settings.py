"""What of deploy/ can be checked without a cluster: Envoy's own validation, schemas, and what must hold."""

import json

import pytest

import children

from .settings import DEPLOY, render

MANIFESTS = sorted(path for path in DEPLOY.glob("*/*.yaml") if path.parent.name != "envoy")
PARSE = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))"
PRINCIPAL = {f"x-tokenward-{name}" for name in ("subject", "token-id", "role", "org", "status", "form", "reason")}

# From which some servers take the method or the path.
REPLACED = {
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-original-path",
    "x-envoy-original-path",
    "x-rewrite-uri",
    "x-script-name",
}


# What is led to no hub, and where to.
OWN = [("tokenward-verifier", "tokenward", 8482), ("tokenward-issuer", "tokenward", 8471)]


def run(*command, tmp):
    return children.run(command, {"PATH": "/usr/bin:/bin", "HOME": str(tmp)})


@pytest.fixture
def documents(tmp_path):
    def parse(path):
        return json.loads(run(children.CLIENTS / "bin" / "python", "-c", PARSE, path, tmp=tmp_path).ok())

    return parse


def of_kind(documents, kind):
    return [document for document in documents if document.get("kind") == kind]


def test_envoy_accepts_its_settings(tmp_path):
    names = ("LISTEN", "VERIFIER", "VERIFIER_HTTP", "ISSUER", "UPSTREAM")
    ports = dict.fromkeys(("ADMIN_PORT", *(f"{name}_PORT" for name in names)), 8080)
    hosts = dict.fromkeys((f"{name}_HOST" for name in names), "127.0.0.1")
    path = tmp_path / "envoy.yaml"
    path.write_text(render("envoy/envoy.yaml", **ports, **hosts))
    run(children.CLIENTS / "bin" / "envoy", "--mode", "validate", "-c", path, tmp=tmp_path).ok()


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_manifests(path, documents, tmp_path):
    """Kinds of Kubernetes itself by their schema; those of gateways have none here, so only their form."""
    for number, document in enumerate(documents(path)):
        if "kind" not in document:
            assert list(document) == ["meshConfig"]
            continue
        assert document["metadata"]["name"] and document["metadata"]["namespace"]
        if "." not in document["apiVersion"]:
            one = tmp_path / f"{number}.yaml"
            one.write_text(json.dumps(document))
            validate = children.CLIENTS / "bin" / "kubernetes-validate"
            run(validate, "--strict", one, tmp=tmp_path).ok()


def test_envoy_gateway_checks_each_route_and_stays_closed(documents):
    found = documents(DEPLOY / "envoy-gateway" / "tokenward.yaml")
    routes = {route["metadata"]["name"]: route for route in of_kind(found, "HTTPRoute")}
    policies = of_kind(found, "SecurityPolicy")
    # What Tokenward answers itself, and nothing else, has no check before it.
    own = routes.pop("tokenward")
    backends = [backend for rule in own["spec"]["rules"] for backend in rule["backendRefs"]]
    assert [(backend["name"], backend["namespace"], backend["port"]) for backend in backends] == OWN
    assert set(routes) == {target["name"] for policy in policies for target in policy["spec"]["targetRefs"]}
    for route in routes.values():
        assert {backend["name"] for rule in route["spec"]["rules"] for backend in rule["backendRefs"]} == {"hub"}
    assert all(policy["spec"]["extAuth"]["failOpen"] is False for policy in policies)
    [traffic] = of_kind(found, "ClientTrafficPolicy")
    assert set(traffic["spec"]["headers"]["earlyRequestHeaders"]["remove"]) == PRINCIPAL | REPLACED


def test_istio_checks_every_request_and_stays_closed(documents):
    [mesh] = documents(DEPLOY / "istio" / "mesh.yaml")
    [provider] = mesh["meshConfig"]["extensionProviders"]
    assert provider["envoyExtAuthzGrpc"]["failOpen"] is False
    found = documents(DEPLOY / "istio" / "tokenward.yaml")
    [policy] = of_kind(found, "AuthorizationPolicy")
    assert policy["spec"]["provider"]["name"] == provider["name"]
    assert policy["spec"]["rules"] == [{}]
    [patches] = [filter["spec"]["configPatches"] for filter in of_kind(found, "EnvoyFilter")]
    removed = patches[0]["patch"]["value"]["typed_config"]["mutations"]["request_mutations"]
    assert {mutation["remove"] for mutation in removed} == PRINCIPAL | REPLACED


def test_istio_leads_what_is_tokenward_s_own_to_it(documents):
    [service] = of_kind(documents(DEPLOY / "istio" / "tokenward.yaml"), "VirtualService")
    *own, hub = service["spec"]["http"]
    told = [rule["route"][0]["destination"] for rule in own]
    hosts = [f"{name}.{namespace}.svc.cluster.local" for name, namespace, _ in OWN]
    assert [one["host"] for one in told] == hosts
    assert [one["port"]["number"] for one in told] == [port for *_, port in OWN]
    assert all(rule["match"] for rule in own) and "match" not in hub
    # The verifier needs the token, nobody else gets it.
    assert ["headers" in rule for rule in own] == [False, True]


def test_everything_calls_the_service_that_is_there(documents):
    service, issuer = documents(DEPLOY / "kubernetes" / "service.yaml")
    offered = [
        (each["metadata"]["name"], each["metadata"]["namespace"], port["port"])
        for each in (service, issuer)
        for port in each["spec"]["ports"]
    ]
    assert set(OWN) < set(offered)
    port = service["spec"]["ports"][0]["port"]
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    for policy in of_kind(documents(DEPLOY / "envoy-gateway" / "tokenward.yaml"), "SecurityPolicy"):
        [reference] = policy["spec"]["extAuth"]["grpc"]["backendRefs"]
        assert reference == {"name": name, "namespace": namespace, "port": port}
    [mesh] = documents(DEPLOY / "istio" / "mesh.yaml")
    provider = mesh["meshConfig"]["extensionProviders"][0]["envoyExtAuthzGrpc"]
    assert (provider["service"], provider["port"]) == (f"{name}.{namespace}.svc.cluster.local", port)
