"""`tokenward dev` by itself: the lines that it prints, as people paste them, and stock clients at its door."""

import json

import pytest

import children
from clients.stock import VENVS, Stock, bare_environment


@pytest.fixture
def pasted(dev, home):
    def run(name):
        place = home()
        environment = bare_environment(place) | {
            "HF_HOME": str(place / "hf"),
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        environment["PATH"] = f"{children.CLIENTS / 'bin'}:{environment['PATH']}"
        # Where `dev` was started: it names itself from there.
        return children.run(["sh", "-c", dev["commands"][name]], environment).ok()

    return run


def test_the_lines_that_it_prints_can_be_pasted(dev, pasted):
    assert pasted("check").startswith("ALLOW\n")
    assert json.loads(pasted("curl"))["name"] == "ada"
    assert "ada" in pasted("hf")


@pytest.mark.parametrize("version", VENVS)
def test_the_stock_library_is_told_whose_the_token_is(dev, home, version):
    with open(dev["token_file"]) as file:
        stock = Stock(home(), dev["http"], file.read().strip(), version)
    told = json.loads(stock.python("import json, huggingface_hub as h; print(json.dumps(h.HfApi().whoami()))").ok())
    assert (told["name"], told["auth"]["accessToken"]["role"]) == ("ada", "read")
    assert [org["name"] for org in told["orgs"]] == ["acme"]
