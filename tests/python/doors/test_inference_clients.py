"""What stock OpenAI and Anthropic clients show of a refusal: in Python and JavaScript, of a stream too."""

import json

import pytest

import children

from clients.stock import Script, Stock

from .conftest import verifier_program
from .running import Guard

CHAT = "model='acme/secret-70b', messages=[{'role': 'user', 'content': 'x'}]"
PYTHON = """
import json, os, anthropic, openai
told = {}
base = os.environ["HF_ENDPOINT"]
for name, (kind, stream, token) in json.load(open("cases.json")).items():
    try:
        if kind == "openai":
            client = openai.OpenAI(base_url=base + "/v1", api_key=token, max_retries=0)
            list(client.chat.completions.create(stream=stream, CHAT) or ())
        else:
            how = {"api_key" if kind.endswith("key") else "auth_token": token}
            client = anthropic.Anthropic(base_url=base, max_retries=0, **how)
            list(client.messages.create(stream=stream, max_tokens=9, CHAT) or ())
        told[name] = ["", "", "", ""]
    except Exception as error:
        body = error.body if isinstance(error.body, dict) else {}
        inner = body.get("error", body)
        told[name] = [type(error).__name__, str(error), str(inner.get("code")), str(inner.get("type"))]
print(json.dumps(told))
""".replace("CHAT", CHAT)


@pytest.fixture(scope="module")
def served(tmp_path_factory, dev, hub):
    """A verifier that goes by the table of inference servers alone, and the routes that Anthropic's ask."""
    routes = "@include inference\n"
    running = Guard(verifier_program(), tmp_path_factory.mktemp("served"), dev, hub.port, whole=routes)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def refused(mint):
    """Refusal to token, and to class, code, type and a part of the sentence."""
    nell = mint("linus", "WRITE").secret
    bare = mint("ada", "FINE_GRAINED").secret
    bad = nell[:-4] + "AAAA"
    return {
        "bad token": (bad, "AuthenticationError", "invalid_api_key", "authentication_error", "Invalid credentials"),
        "hidden": (nell, "NotFoundError", "not_found", "not_found_error", "Repository not found"),
        "scope": (bare, "PermissionDeniedError", "token_scope", "permission_error", "sufficient permissions"),
    }


def test_clients_in_python(served, refused, home):
    cases = {
        f"{name}, {kind}, {'streamed' if stream else 'whole'}": (kind, stream, token)
        for name, (token, *_) in refused.items()
        for kind in ("openai", "anthropic", "anthropic by key")
        for stream in (False, True)
    }
    client = Stock(home(), served.url)
    (client.home / "cases.json").write_text(json.dumps(cases))
    told = json.loads(client.python(PYTHON).ok().splitlines()[-1])
    for name, (error, text, code, kind) in told.items():
        _, *expected, sentence = refused[name.split(",")[0]]
        assert [error, code, kind] == expected, (name, text)
        assert sentence in text, (name, text)


def test_clients_in_javascript(served, refused, home):
    def ask(kind, stream, token):
        body = "model: 'acme/secret-70b', messages: [{role: 'user', content: 'x'}]"
        if kind == "openai":
            made = f"new OpenAI({{baseURL: hubUrl + '/v1', apiKey: '{token}', maxRetries: 0}})"
            return f"return await {made}.chat.completions.create({{stream: {stream}, {body}}})"
        made = f"new Anthropic({{baseURL: hubUrl, authToken: '{token}', maxRetries: 0}})"
        return f"return await {made}.messages.create({{stream: {stream}, max_tokens: 9, {body}}})"

    cases = {
        f"{name}, {kind}, {stream}": ask(kind, stream, token)
        for name, (token, *_) in refused.items()
        for kind in ("openai", "anthropic")
        for stream in ("false", "true")
    }
    for name, (error, text) in Script(home(), served.url).each(cases).items():
        _, expected, _, _, sentence = refused[name.split(",")[0]]
        assert error == expected and sentence in text, (name, error, text)


def test_curl_wget_and_urllib_log_in_with_a_password(guard, reader, home):
    """They send it once they are asked, by the first challenge that they can meet."""
    one = Stock(home(), guard.url)
    url = f"{guard.url}/acme/secret-70b/resolve/main/config.json"
    (one.home / "netrc").write_text(f"machine 127.0.0.1 login ada password {reader.secret}\n")
    curl = ["curl", "-sS", "--fail", "--anyauth", "--netrc-file", one.home / "netrc", url]
    told = children.run(curl, one.environment).ok()
    assert told
    (one.home / ".wgetrc").write_text(f"user = ada\npassword = {reader.secret}\n")
    assert children.run(["wget", "-q", "-O", "-", url], one.environment, cwd=one.home).ok() == told
    code = (
        "import urllib.request as u\n"
        "passwords = u.HTTPPasswordMgrWithDefaultRealm()\n"
        f"passwords.add_password(None, {guard.url!r}, 'ada', open('secret').read())\n"
        f"print(u.build_opener(u.HTTPBasicAuthHandler(passwords)).open({url!r}).read().decode(), end='')\n"
    )
    (one.home / "secret").write_text(reader.secret)
    assert one.python(code).ok() == told
