"""What people are shown of a refusal by the stock clients that they have.

`tests/cases/shown.tsv` is the table of it, measured against these very clients: why each refusal has the
status and the code that it has. A client that comes to show something else, or an answer that is changed,
is seen here. `TOKENWARD_WRITE_SHOWN=1` writes the table anew, to be looked at.
"""

import json
import os

import pytest

import children

from clients.stock import SEEN, VENVS, Script, Stock

from .corpus import CASES
from .test_refusals import strict  # noqa: F401

TABLE = CASES / "shown.tsv"
PYTHON = [*SEEN, *VENVS]
LIBRARIES = """
import json, transformers, datasets
told = {}
for name, (load, repo, token) in json.load(open("cases.json")).items():
    try:
        if load == "transformers":
            transformers.AutoConfig.from_pretrained(repo, token=token)
        else:
            datasets.load_dataset(repo, token=token)
        told[name] = ["", ""]
    except Exception as error:
        told[name] = [type(error).__name__, str(error)]
print(json.dumps(told))
"""
COLUMNS = [*PYTHON, "transformers", "datasets", "huggingface.js"]
# A part of the sentence that says why, as the verifier says it.
REFUSALS = {
    "policy": "fine-grained",
    "approval": "approv",
    "revoked by the org": "revoked",
    "scope": "scope",
    "role": "you must use a write token",
    "no right": "pass `create_pr=1`",
    "gate": "not in the authorized list",
    "gate, setting": "enable access to public gated repositories",
    "hidden": "Repository not found",
    "disabled": "Access to this resource is disabled.",
    "bad token": "Invalid credentials in Authorization header",
}
READS = ["metadata", "exists", "download", "snapshot"]


@pytest.fixture(scope="module")
def asked(stubs, operator, strict, mint, known):  # noqa: F811
    """Refusal to token, model and data set, and what is tried."""
    d, t = stubs.directory, stubs.token
    private = {"visibility": d.VISIBILITY_PRIVATE, "gate": d.GATE_MODE_NONE, "kind": d.REPO_KIND_MODEL}
    sets = {"kind": d.REPO_KIND_DATASET, "creator_id": "u-nell"}
    gated = {"visibility": d.VISIBILITY_PUBLIC, "gate": d.GATE_MODE_MANUAL}
    operations = [
        d.Operation(put_org=d.Org(id="o-lodge", name="lodge")),
        d.Operation(put_member=d.Member(org_id="o-lodge", user_id="u-nell", role=d.ORG_ROLE_WRITE)),
        d.Operation(put_org_policy=d.OrgPolicy(org_id="o-lodge", policy=d.TOKEN_POLICY_ADMIN_APPROVAL)),
        d.Operation(put_repo=d.Repo(id="m-lodge", owner_id="o-lodge", name="vault", creator_id="u-nell", **private)),
    ]
    for owner, org in (("o-guild", "guild"), ("o-lodge", "lodge"), ("u-nell", "nell")):
        mode = {**private, **sets, "disabled": owner == "u-nell"}
        operations.append(d.Operation(put_repo=d.Repo(id=f"d-{org}", owner_id=owner, name="set", **mode)))
    operations.append(
        d.Operation(put_repo=d.Repo(id="d-gated", owner_id="o-acme", name="gated-set", **sets, **gated))
    )
    stubs.directory_grpc.DirectoryServiceStub(operator[0]).Write(d.WriteRequest(operations=operations))
    kinds = (("m-lodge", t.ENTITY_KIND_MODEL), ("d-lodge", t.ENTITY_KIND_DATASET))
    reads = [t.Scope(entity_kind=kind, entity_id=id, permissions=["repo.content.read"]) for id, kind in kinds]
    waiting = mint("nell", "FINE_GRAINED", scopes=t.Scopes(scoped=reads))
    scopeless = mint("grace", "FINE_GRAINED")
    grace, nell = strict["grace"], strict["nell"]
    return {
        "policy": (nell, "guild/vault", "guild/set", READS),
        "approval": (waiting.secret, "lodge/vault", "lodge/set", READS),
        "revoked by the org": (strict["barred"], "guild/vault", None, READS),
        "scope": (scopeless.secret, "acme/open-1b", None, ["upload"]),
        "role": (grace, "acme/open-1b", None, ["upload"]),
        "no right": (strict["linus"], "acme/open-1b", None, ["upload"]),
        "gate": (nell, "acme/gated-8b", "acme/gated-set", ["download", "snapshot"]),
        "gate, setting": (strict["fine"], "acme/gated-8b", "acme/gated-set", ["download", "snapshot"]),
        "hidden": (strict["linus"], "acme/secret-70b", "guild/set", [*READS, "upload"]),
        "disabled": (nell, "nell/shut", "nell/set", [*READS, "upload"]),
        "bad token": (grace[:-4] + "AAAA", "acme/secret-70b", "guild/set", [*READS, "upload"]),
    }


def python(way, repo, token):
    return {
        "metadata": f"api.model_info({repo!r}, token={token!r})",
        "exists": f"api.repo_exists({repo!r}, token={token!r})",
        "download": f"h.hf_hub_download({repo!r}, 'config.json', token={token!r})",
        "snapshot": f"h.snapshot_download({repo!r}, token={token!r})",
        "upload": f"api.upload_file(path_or_fileobj=b'x', path_in_repo='x', repo_id={repo!r}, token={token!r})",
    }[way]


def script(way, repo, token):
    # It takes tokens of one prefix only, which this hub's haven't.
    sent = f"const headers = new Headers(how.headers); headers.set('authorization', 'Bearer {token}')"
    fetched = f"accessToken: 'hf_x', hubUrl, fetch: (at, how) => {{{sent}; return fetch(at, {{...how, headers}})}}"
    options = f"repo: '{repo}', {fetched}"
    return {
        "metadata": f"return h.modelInfo({{name: '{repo}', {fetched}}})",
        "exists": f"return h.repoExists({{{options}}})",
        "download": f"return h.downloadFile({{{options}, path: 'config.json'}})",
        "snapshot": f"for await (const file of h.listFiles({{{options}}}));",
        "upload": f"return h.uploadFile({{{options}, file: {{path: 'x', content: new Blob(['x'])}}}})",
    }[way]


def mark(refusal, name, text):
    """The class that was raised, and whether the reason was shown; or what was returned."""
    if not name:
        return f"{text or 'nothing'}, no error"
    return f"{name} {'+' if REFUSALS[refusal].lower() in text.lower() else '-'}"


@pytest.fixture(scope="module")
def shown(asked, guard, tmp_path_factory):
    """(refusal, what was tried) to column to what was shown."""
    rows = {(refusal, way): {} for refusal, (*_, ways) in asked.items() for way in ways}

    def fresh():
        return children.home(tmp_path_factory.mktemp("shown") / "home")

    def note(column, told):
        for name, (error, text) in told.items():
            refusal, way = name.rsplit(": ", 1)
            rows[refusal, way][column] = mark(refusal, error, text)

    def cases(form):
        each = ((refusal, way, repo, token) for refusal, (token, repo, _, ways) in asked.items() for way in ways)
        return {f"{refusal}: {way}": form(way, repo, token) for refusal, way, repo, token in each}

    for version in PYTHON:
        note(version, Stock(fresh(), guard.url, None, version).each(cases(python)))
    note("huggingface.js", Script(fresh(), guard.url).each(cases(script)))
    for library in ("transformers", "datasets"):
        wanted = {}
        for refusal, (token, model, data, ways) in asked.items():
            repo = model if library == "transformers" else data
            if "download" in ways and repo:
                wanted[f"{refusal}: download"] = (library, repo, token)
        client = Stock(fresh(), guard.url)
        (client.home / "cases.json").write_text(json.dumps(wanted))
        note(library, json.loads(client.python(LIBRARIES, 120).ok().splitlines()[-1]))
    return rows


def as_table(rows):
    lines = ["\t".join(["refusal", "tried", *COLUMNS])]
    for (refusal, way), cells in rows.items():
        lines.append("\t".join([refusal, way, *(cells.get(column, "") for column in COLUMNS)]))
    return "\n".join(lines) + "\n"


def test_what_is_shown_is_what_the_table_says(shown):
    table = TABLE.read_text() if TABLE.exists() else ""
    notes = "".join(line for line in table.splitlines(True) if line.startswith("#"))
    if os.environ.get("TOKENWARD_WRITE_SHOWN"):
        TABLE.write_text(notes + as_table(shown))
    assert as_table(shown) == TABLE.read_text().removeprefix(notes)


def test_no_gate_is_spoken_of_where_none_is(shown):
    for (refusal, way), cells in shown.items():
        for column, told in cells.items():
            assert refusal.startswith("gate") or "GatedRepo" not in told, (refusal, way, column)
