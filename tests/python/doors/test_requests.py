"""One corpus through every door: the table's answers, and Check's to the same questions."""

import dataclasses

import pytest

import children
from conftest import channel_to

from . import asking, corpus
from .conftest import verifier_in, verifier_program
from .running import DOORS, EnvoyHttp, Guard

ISSUERS = ("/api/credentials/revoke", "/.well-known/jwks.json")
ALL = corpus.read(corpus.TABLE.read_text())
ROWS = [row for row in ALL if row.table == "hub"]
# By the number of Check's reason: what is wrong with the credential, or nobody logged in; not found.
UNAUTHENTICATED, LOGIN_REQUIRED, NOT_FOUND = range(1, 10), 10, 20


@pytest.fixture(scope="module")
def secrets(stubs, tokens, known, corpus_hub):
    """By the names of the callers."""
    roles, kinds = stubs.token, stubs.token.EntityKind
    mint = corpus_hub
    scope = roles.Scope(entity_kind=kinds.ENTITY_KIND_MODEL, entity_id="c-secret", permissions=["repo.write"])
    made = {
        "revoked": mint("mia", roles.ROLE_READ),
        "mia": mint("mia", roles.ROLE_READ),
        "wes": mint("wes", roles.ROLE_WRITE),
        "reader": mint("wes", roles.ROLE_READ),
        "fine": mint("wes", roles.ROLE_FINE_GRAINED, scopes=roles.Scopes(scoped=[scope])),
        "sam": mint("sam", roles.ROLE_WRITE),
        "bare": mint("sam", roles.ROLE_FINE_GRAINED),
        "pat": mint("pat", roles.ROLE_READ),
        "ann": mint("ann", roles.ROLE_WRITE),
    }
    revoked = roles.RevokeTokenRequest(token_id=made["revoked"].token.id)
    known(tokens.RevokeToken(revoked).revision)
    return {name: each.secret for name, each in made.items()} | {"bad": "tw_not.a.token"}


@pytest.fixture(scope="module")
def corpus_hub(stubs, directory, tokens):
    """The hub of the table; mints for its users."""
    d = stubs.directory
    operation, kinds = d.Operation, d.RepoKind
    users = ("mia", "wes", "sam", "pat", "ann")
    operations = [operation(put_user=d.User(id=f"c-{name}", name=name)) for name in users]
    operations.append(operation(put_org=d.Org(id="c-lab", name="lab")))
    for name, role in (("mia", "READ"), ("wes", "WRITE"), ("ann", "ADMIN")):
        member = d.Member(org_id="c-lab", user_id=f"c-{name}", role=d.OrgRole.Value(f"ORG_ROLE_{role}"))
        operations.append(operation(put_member=member))
    public, private = d.VISIBILITY_PUBLIC, d.VISIBILITY_PRIVATE
    for kind, name, visibility, more in (
        ("MODEL", "open", public, {}),
        ("MODEL", "secret", private, {}),
        ("MODEL", "gated", public, {"gate": d.GATE_MODE_MANUAL}),
        ("MODEL", "shut", public, {"disabled": True}),
        ("DATASET", "corpus", private, {}),
        ("SPACE", "app", public, {}),
        ("BUCKET", "store", private, {}),
        ("KERNEL", "fast", private, {}),
        ("COLLECTION", "picks", private, {}),
        ("ENDPOINT", "chat", private, {}),
        ("MODEL", "own", private, {"owner_id": "c-mia"}),
    ):
        fields = {"owner_id": "c-lab", "creator_id": "c-ann", "gate": d.GATE_MODE_NONE} | more
        repo = d.Repo(id=f"c-{name}", kind=kinds.Value(f"REPO_KIND_{kind}"), name=name, visibility=visibility, **fields)
        operations.append(operation(put_repo=repo))
    grant = d.GateGrant(repo_id="c-gated", user_id="c-sam", state=d.GRANT_STATE_ACCEPTED)
    operations.append(operation(put_gate_grant=grant))
    directory.Write(d.WriteRequest(operations=operations))
    count = iter(range(100))

    def mint(owner, role, **fields):
        request = stubs.token.CreateTokenRequest(owner_name=owner, role=role, name=f"corpus {next(count)}", **fields)
        return tokens.CreateToken(request)

    return mint


@pytest.fixture(scope="module")
def check(stubs, verifying, secrets):
    """A row's questions to Check, or to WhoAmI: allowed or not, and the status that the reason means."""
    messages, kinds = stubs.verifier, stubs.directory.RepoKind
    channel = channel_to(f"127.0.0.1:{verifying.grpc_port}")
    stub = stubs.verifier_grpc.VerifierServiceStub(channel)

    def status(who, reason):
        if reason in UNAUTHENTICATED or reason == LOGIN_REQUIRED:
            return 401
        if reason == NOT_FOUND:
            return 401 if who == "nobody" else 404
        return 403

    def ask(who, asks):
        if asks == "identity":
            if who == "nobody":
                return False, 401
            reason = stub.WhoAmI(messages.WhoAmIRequest(token=secrets[who]), timeout=children.LIMIT).reason
            return (False, status(who, reason)) if reason else (True, 200)
        for kind, name, permission in corpus.asked_of(asks):
            request = messages.CheckRequest(permission=permission)
            if who == "nobody":
                request.anonymous.SetInParent()
            else:
                request.token = secrets[who]
            if kind == "self":
                if who == "nobody":
                    return False, 401
                request.resource.account.name = corpus.OWNERS.get(who, who)
            elif kind == "account":
                request.resource.account.name = name
            else:
                request.resource.repo.kind = kinds.Value(f"REPO_KIND_{kind.upper()}")
                request.resource.repo.name = name
            answer = stub.Check(request, timeout=children.LIMIT)
            if answer.verdict != messages.VERDICT_ALLOW:
                return False, status(who, answer.reason)
        return True, 200

    yield ask
    channel.close()


@pytest.fixture(scope="module")
def doors(verifying):
    made = asking.doors(verifying)
    yield made
    for door in made:
        door.close()


def test_every_door_answers_as_the_table_says(doors, secrets, check):
    asked = sum(len(row.answers) for row in ROWS)
    assert asked > 1000
    found = corpus.differences(ROWS, secrets, doors, check)
    assert found == [], "\n".join(found)


@pytest.mark.parametrize("name", list(corpus.TABLES))
def test_a_model_server_s_table_answers_as_it_says(name, tmp_path, dev, secrets, check):
    (tmp_path / "routes.tsv").write_text(corpus.TABLES[name])
    verifier = verifier_in(tmp_path, dev, "--routes", tmp_path / "routes.tsv")
    doors = asking.doors(verifier)
    try:
        rows = [row for row in ALL if row.table == name]
        assert len(rows) >= 5
        # Ready, it has seen all that there was.
        found = corpus.differences(rows, secrets, doors, check)
        assert found == [], "\n".join(found)
    finally:
        for door in doors:
            door.close()
        verifier.stop()


@pytest.mark.parametrize("name", [*DOORS, EnvoyHttp.name, Guard.name])
def test_requests_through_each_proxy(name, tmp_path, dev, verifying, secrets):
    """Of the callers a third each time; of the requests those about which no proxy has an opinion of its
    own, as most have of paths that can't be read and of two credentials.
    """
    behind, front = asking.Behind(), None
    try:
        if name == Guard.name:
            # Ready, it has seen all that there was.
            front = Guard(verifier_program(), tmp_path, dev, behind.port)
        else:
            kind = {**DOORS, EnvoyHttp.name: EnvoyHttp}[name]
            port = verifying.grpc_port if kind.grpc else verifying.http_port
            front = kind(tmp_path, port, behind.port, http=verifying.http_port)
        door = asking.Proxied(name, front.port, front.bodies)
        rows = []
        for row in ROWS:
            some = row.answers[row.number % 3 :: 3]
            # The issuer's stand in a test of their own.
            if row.target in ISSUERS:
                continue
            if row.asks != "-" and not any(who.endswith("/twice") for who, _ in row.answers):
                rows.append(dataclasses.replace(row, answers=some, unseen=row.unseen or row.answers))
        assert sum(len(row.answers) for row in rows) > 500
        assert corpus.differences(rows, secrets, [door]) == []
        door.close()
    finally:
        if front:
            front.stop()
        behind.stop()


def test_a_wrong_row_is_noticed(doors, secrets, check):
    """Each cell of a row, altered; and a door that answers for itself."""

    def row(target, body=b""):
        [found] = [row for row in ROWS if row.target == target and row.method != "HEAD" and body in (row.body or b"")]
        return found

    content = row("/lab/secret/raw/main/README.md")
    batch = row("/lab/secret.git/info/lfs/objects/batch")
    create = row("/api/repos/create", b'{"name":"x"}')
    unreadable = row("/lab/open/%2e%2e/secret/resolve/main/x")
    right = [content, batch, create, unreadable]
    assert corpus.differences(right, secrets, doors, check) == []
    swapped = tuple((who, corpus.told("200") if who == "sam" else told) for who, told in content.answers)
    uncoded = tuple((who, told._replace(code=None)) for who, told in content.answers)
    for wrong, at in (
        (dataclasses.replace(content, answers=swapped), "sam"),
        (dataclasses.replace(content, answers=uncoded), "ext_authz"),
        (dataclasses.replace(content, target="/lab/open/raw/main/README.md"), "/auth"),
        (dataclasses.replace(content, method="POST"), "ext_authz"),
        (dataclasses.replace(content, asks="model:lab/secret repo.content.write"), "mia by Check"),
        (dataclasses.replace(content, asks="model:lab/open repo.content.read"), "pat by Check"),
        (dataclasses.replace(batch, unseen=batch.answers), "heads"),
        (dataclasses.replace(batch, body=batch.body.replace(b"download", b"upload")), "ext_authz"),
        (dataclasses.replace(create, body=b'{"name":"x","organization":"lab"}'), "sam"),
        (dataclasses.replace(create, bill="lab", target="/v1/completions"), "sam"),
        (dataclasses.replace(unreadable, answers=content.answers), "nobody"),
    ):
        found = corpus.differences([wrong], secrets, doors, check)
        assert any(at in each for each in found), (wrong, at, found)
        assert all(each.startswith(f"line {wrong.number}: ") for each in found)

    class Open:
        name, shows_bodies = "open to all", True

        def ask(self, request):
            return asking.Told(True, 200, None)

    found = corpus.differences([content], secrets, [Open()], check)
    assert len(found) == sum(not told.allowed for _, told in content.answers)


def test_what_a_table_says_wrongly_is_told():
    start = "callers\tnobody\tmia\nyes\t200\t200\n"
    for line, says in (
        ("GET\t/x\t-\topen", "line 3: not enough values"),
        ("GET\t/x\t-\topen\tmaybe", "line 3: not enough values"),
        ("GET\t/x\t-\topen\tmia=2oo", "line 3: invalid literal"),
        ("GET\t/x\t-\topen\tmia=401/X", "line 3: 'X'"),
        ("GET\t/x\t-\topen\tyes\tseen=yes", "line 3: {'seen'"),
    ):
        with pytest.raises(AssertionError, match=says):
            corpus.read(start + line)
    [row] = corpus.read(start + "GET\t/x\t-\topen\tyes")
    assert [who for who, _ in row.answers] == ["nobody", "mia"]


def test_every_route_of_the_hub_is_asked_for():
    """Each rule of the built-in table, by its methods, its path and its condition."""
    missing = []
    for methods, path, when, line in corpus.rules(corpus.HUB_ROUTES.read_text()):
        if not any(corpus.reaches(row, methods, path, when) for row in ROWS):
            missing.append(line)
    assert missing == [], "\n".join(missing)
