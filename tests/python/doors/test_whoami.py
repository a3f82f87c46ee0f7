"""How often whoami answers, in the words of the stock client."""

import uuid

import pytest

from clients.stock import VENVS, Stock

from .conftest import verifier_in

LIMIT = 2


@pytest.fixture(scope="module")
def limited(tmp_path_factory, dev):
    running = verifier_in(tmp_path_factory.mktemp("limited"), dev, "--whoami-limit", str(LIMIT))
    yield running
    running.stop()


@pytest.mark.parametrize(("version", "owner"), list(zip(VENVS, ("ada", "grace"))))
def test_the_client_says_that_it_asked_too_often(limited, home, stubs, tokens, version, owner):
    secret = tokens.CreateToken(
        stubs.token.CreateTokenRequest(owner_name=owner, role=stubs.token.ROLE_READ, name=uuid.uuid4().hex)
    ).secret
    one = Stock(home(), f"http://127.0.0.1:{limited.http_port}", secret, version)
    for _ in range(LIMIT):
        assert owner in one.hf("auth", "whoami").ok()
    code = (
        "import huggingface_hub as h\n"
        "try:\n    h.whoami()\n"
        "except h.errors.HfHubHTTPError as error:\n"
        "    print(error.response.status_code, error)\n"
        "    print({name.lower(): value for name, value in error.response.headers.items()})\n"
    )
    said = one.python(code).ok()
    assert said.startswith("429 "), said
    assert f"'ratelimit-policy': '\"fixed window\";\"whoami\";q={LIMIT};w=300'" in said
    assert "'retry-after': '" in said
    if version == "newest":
        assert "hit the rate limit for the /whoami-v2 endpoint" in said
