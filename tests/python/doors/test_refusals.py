"""What the stock clients make of each refusal, over plain HTTP: the class that is raised, and its text.

First the verifier's own, through the doors; then every row of the contract, from a server that says just
that.
"""

import http.server
import json
import threading

import pytest

from clients.stock import VENVS, Stock

from .running import DOORS, Guard


@pytest.fixture(scope="module")
def strict(stubs, directory, operator, known, mint):
    """nell belongs to guild, which takes no classic tokens; nobody let her into acme/gated-8b."""
    d = stubs.directory
    private, none = d.VISIBILITY_PRIVATE, d.GATE_MODE_NONE
    model = {"kind": d.REPO_KIND_MODEL, "gate": none, "creator_id": "u-nell"}
    policy = d.OrgPolicy(org_id="o-guild", policy=d.TOKEN_POLICY_FINE_GRAINED_ONLY)
    operations = [
        d.Operation(put_user=d.User(id="u-nell", name="nell")),
        d.Operation(put_org=d.Org(id="o-guild", name="guild")),
        d.Operation(put_member=d.Member(org_id="o-guild", user_id="u-nell", role=d.ORG_ROLE_WRITE)),
        d.Operation(put_repo=d.Repo(id="m-vault", owner_id="o-guild", name="vault", visibility=private, **model)),
        d.Operation(
            put_repo=d.Repo(
                id="m-shut", owner_id="u-nell", name="shut", visibility=d.VISIBILITY_PUBLIC, disabled=True, **model
            )
        ),
        d.Operation(put_org_policy=policy),
    ]
    directory.Write(d.WriteRequest(operations=operations))
    t = stubs.token
    scope = t.Scope(entity_kind=t.ENTITY_KIND_MODEL, entity_id="m-vault", permissions=["repo.write"])
    barred = mint("nell", "FINE_GRAINED", scopes=t.Scopes(scoped=[scope]))
    orgs = stubs.org_grpc.OrgTokenServiceStub(operator[0])
    revoked = orgs.RevokeOrgToken(stubs.org.RevokeOrgTokenRequest(org_id="o-guild", token_id=barred.token.id))
    known(revoked.revision)
    return {
        "barred": barred.secret,
        "grace": mint("grace", "READ").secret,
        "linus": mint("linus", "WRITE").secret,
        "fine": mint("linus", "FINE_GRAINED").secret,
        "nell": mint("nell", "WRITE").secret,
    }


def cases(tokens):
    """Name, code, class, text."""
    bad = repr(tokens["grace"][:-4] + "AAAA")
    who = {name: repr(secret) for name, secret in tokens.items()} | {"nobody": "False", "bad": bad}
    open_, secret, gated = "'acme/open-1b'", "'acme/secret-70b'", "'acme/gated-8b'"

    def file(repo, name):
        return f"h.hf_hub_download({repo}, 'config.json', token={who[name]})"

    def info(repo, name):
        return f"api.model_info({repo}, token={who[name]})"

    def upload(name):
        return f"api.upload_file(path_or_fileobj=b'x', path_in_repo='x.txt', repo_id={open_}, token={who[name]})"

    invalid = "Invalid credentials in Authorization header"
    login = "must have access to it and be authenticated to access it. Please log in."
    no_repo = "RepositoryNotFoundError"
    return [
        ("nobody, private", file(secret, "nobody"), no_repo, "Invalid username or password."),
        ("nobody, missing", file("'acme/none'", "nobody"), no_repo, "Invalid username or password."),
        ("nobody, private, info", info(secret, "nobody"), no_repo, "Invalid username or password."),
        ("hidden", file(secret, "linus"), no_repo, "Repository Not Found"),
        ("missing", file("'acme/none'", "linus"), no_repo, "Repository Not Found"),
        ("hidden, info", info(secret, "linus"), no_repo, "Repository Not Found"),
        ("hidden, whole", f"h.snapshot_download({secret}, token={who['linus']})", no_repo, "Repository Not Found"),
        ("hidden, check", f"api.auth_check({secret}, token={who['linus']})", no_repo, "Repository Not Found"),
        ("bad", file(open_, "bad"), "HfHubHTTPError", invalid),
        ("bad, info", info(open_, "bad"), "HfHubHTTPError", invalid),
        ("bad, private", info(secret, "bad"), "HfHubHTTPError", invalid),
        ("bad, who", f"api.whoami(token={bad})", "HfHubHTTPError", "Invalid user token"),
        ("gate, nobody", file(gated, "nobody"), "GatedRepoError", login),
        ("gate, not let in", file(gated, "nell"), "GatedRepoError", "you are not in the authorized list. Visit"),
        ("gate, check", f"api.auth_check({gated}, token={who['nell']})", "GatedRepoError", "not in the authorized list"),
        ("gate, whole", f"h.snapshot_download({gated}, token={who['nell']})", "GatedRepoError", "authorized list"),
        ("gate, setting", file(gated, "fine"), "GatedRepoError", "enable access to public gated repositories in your"),
        ("gate, metadata", info(gated, "nobody"), "", ""),
        ("read token, upload", upload("grace"), "HfHubHTTPError", "you must use a write token to upload to a repository"),
        ("stranger, upload", upload("linus"), "HfHubHTTPError", "pass `create_pr=1` as a query parameter"),
        ("disabled", info("'nell/shut'", "nell"), "DisabledRepoError", "Access to this resource is disabled."),
        ("disabled, file", file("'nell/shut'", "nell"), "LocalEntryNotFoundError", ""),
        ("policy", info("'guild/vault'", "nell"), no_repo, "fine-grained"),
        ("policy, file", file("'guild/vault'", "nell"), no_repo, "fine-grained"),
        ("revoked by the org", info("'guild/vault'", "barred"), no_repo, "revoked"),
        ("revoked there alone", info("'acme/open-1b'", "barred"), "", ""),
        (
            "no right to create",
            f"api.create_repo('acme/x', token={who['linus']})",
            "HfHubHTTPError",
            "You don't have the rights to create a model under the namespace acme",
        ),
        (
            "no right to infer",
            f"h.InferenceClient(base_url=api.endpoint + '/v1', api_key={who['fine']})"
            ".chat_completion([{'role': 'user', 'content': 'x'}], model='acme/open-1b')",
            "HfHubHTTPError",
            "does not have sufficient permissions to call Inference Providers on behalf of user linus",
        ),
    ]


# The doors differ in nothing that one client would see and the other not.
@pytest.mark.parametrize(
    ("guarded", "version"),
    [*((name, "newest") for name in [*DOORS, Guard.name]), ("envoy", "0.36")],
    indirect=["guarded"],
)
def test_refusals_of_the_verifier(guarded, home, strict, version):
    rows = cases(strict)
    told = Stock(home(), guarded.url, None, version).each({name: code for name, code, _, _ in rows})
    for name, _, error, text in rows:
        if name == "no right to create" and not guarded.bodies:
            text = "the proxy hands no bodies to the check"
        if name == "bad, who" and version == "0.36":
            # Of the library beneath, as it says itself.
            error = "HTTPError"
        raised, said = told[name]
        assert raised == error and (text in said or not error), (name, told[name])
    for one, other in (("nobody, private", "nobody, missing"), ("hidden", "missing")):
        # But for the name that was asked for, and the request's id.
        same = [told[name][1].replace("none", "secret-70b") for name in (one, other)]
        assert [text.split("Request ID")[0] for text in same][0] == same[1].split("Request ID")[0]


def test_the_form_follows_the_path_before_a_route_is_known(guarded, ask):
    """Git shows its user plain text and nothing else, git-lfs one field of its own kind of JSON."""
    git = ask(guarded.port, "/acme/open%FF.git/info/refs?service=git-upload-pack")
    said = git.header("x-error-message")
    assert (git.status, git.body.decode()) == (400, f"{said}\n")
    assert git.header("content-type").startswith("text/plain")
    lfs = ask(guarded.port, "/acme/open%FF.git/info/lfs/objects/batch", method="POST", body=b"{}")
    assert (lfs.status, json.loads(lfs.body)) == (400, {"message": said})
    assert lfs.header("content-type").startswith("application/vnd.git-lfs+json")
    chat = ask(guarded.port, "/v1/chat%FF", method="POST", body=b"{}")
    assert (chat.status, json.loads(chat.body)["error"]["message"]) == (400, said)
    hub = ask(guarded.port, "/api/models/acme%FF")
    assert (hub.status, json.loads(hub.body)) == (400, {"error": said})


# Status, code, message; what a download raises, a snapshot, and the question for a repo's metadata.
GATED, RESTRICTED = "GatedRepo", "Access to model a/b is restricted"
HTTP, NO_REPO, LOCAL = "HfHubHTTPError", "RepositoryNotFoundError", "LocalEntryNotFoundError"
CONTRACT = [
    (401, "RepoNotFound", "Invalid username or password.", NO_REPO, NO_REPO, NO_REPO),
    (403, "RepoNotFound", "Repository not found", NO_REPO, NO_REPO, NO_REPO),
    (404, "RepoNotFound", "Repository not found", NO_REPO, NO_REPO, NO_REPO),
    (401, GATED, RESTRICTED, "GatedRepoError", "GatedRepoError", "GatedRepoError"),
    (403, GATED, RESTRICTED, "GatedRepoError", "GatedRepoError", "GatedRepoError"),
    (404, "RevisionNotFound", "Invalid rev id", *["RevisionNotFoundError"] * 3),
    (404, "EntryNotFound", "Entry not found", "RemoteEntryNotFoundError", LOCAL, "RemoteEntryNotFoundError"),
    (403, None, "Access to this resource is disabled.", LOCAL, LOCAL, "DisabledRepoError"),
    (401, None, "Invalid credentials in Authorization header", HTTP, HTTP, HTTP),
    # Over https it would be taken for a missing repo: so every refusal needs its code.
    (401, None, "", HTTP, HTTP, HTTP),
    (403, None, "you must use a write token", LOCAL, LOCAL, HTTP),
    (404, None, "not here", LOCAL, LOCAL, HTTP),
    (400, None, "no", LOCAL, LOCAL, "BadRequestError"),
    (416, None, "no such range", LOCAL, LOCAL, HTTP),
]


class Says(http.server.BaseHTTPRequestHandler):
    """The row whose number is the repo's owner."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        parts = self.path.split("/")
        row = next((int(part[1:]) for part in parts if part[:1] == "r" and part[1:].isdigit()), None)
        status, code, message, *_ = CONTRACT[row]
        self.send_response(status)
        for name, value in (("X-Error-Code", code), ("X-Error-Message", message), ("Content-Length", "0")):
            if value:
                self.send_header(name, value)
        self.end_headers()

    do_HEAD = do_GET


@pytest.fixture(scope="module")
def says():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Says)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("version", list(VENVS))
def test_the_contract_of_the_clients(home, says, version):
    """What the verifier's answers are made for: if a client of another version reads them otherwise, here it shows."""
    codes = {}
    for number in range(len(CONTRACT)):
        codes[f"{number} file"] = f"h.hf_hub_download('r{number}/b', 'f')"
        codes[f"{number} whole"] = f"h.snapshot_download('r{number}/b')"
        codes[f"{number} info"] = f"api.model_info('r{number}/b')"
    told, otherwise = Stock(home(), says, "tw_x", version).each(codes), []
    for number, (status, code, message, *expected) in enumerate(CONTRACT):
        for way, error in zip(("file", "whole", "info"), expected, strict=True):
            name, text = told[f"{number} {way}"]
            # The old client has one name for both of an entry's.
            if version == "0.36" and error == "RemoteEntryNotFoundError":
                error = name if name in ("EntryNotFoundError", error) else error
            if name != error:
                otherwise.append((status, code, message, way, name, text))
    assert otherwise == []
