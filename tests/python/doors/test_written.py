"""Runs last: nothing that any program wrote in this run holds a token that was minted in it.

Searched are all files below the run's folder: what verifiers, `tokenward dev` with its store, proxies and
the hub said and kept, access logs, the heads that reached the hub; and the metrics of what still runs.
Left out are the homes of users, who write down their own secrets, the credentials' own files, and the
hub's repositories.
"""

import base64
import json
import os
import pathlib
import subprocess
import urllib.request

import pytest

import children
from conftest import MINTED

# What a door passes on where it is told to: the credential itself, to the hub.
PASSED_ON = {"authorization"}


def traces(secret):
    """Parts of a secret that no other text has: of its claims and its signature, plain and as Basic has them."""
    _, claims, signature = secret.split(".")
    for part in (claims[-28:], signature[-28:]):
        yield part.encode()
        for before in range(3):
            text = base64.b64encode(b"x" * before + part.encode())
            # Without the characters at either end that depend on what stands beside.
            yield text[4:-4]


def written(base):
    """The files that are searched."""
    for folder, folders, files in os.walk(base):
        here = pathlib.Path(folder)
        folders[:] = [name for name in folders if name != "repos" and here / name not in children.HOMES]
        for name in files:
            if not name.endswith(".credential") and (here / name).is_file():
                yield here / name


def of_hub(data):
    """The hub's record, without the headers that the hub was to get."""
    for line in data.splitlines():
        request = json.loads(line)
        request["headers"] = [pair for pair in request["headers"] if pair[0] not in PASSED_ON]
        yield json.dumps(request).encode()


def found(base, pages, secrets, tmp):
    """Where a secret is found; how many files and pages were searched."""
    files = {str(path): path for path in written(base)}
    tmp.mkdir()
    for name, path in list(files.items()):
        if path.name == "requests.jsonl":
            pages = pages | {name: b"\n".join(of_hub(path.read_bytes()))}
    for number, (name, data) in enumerate(pages.items()):
        files[name] = tmp / str(number)
        files[name].write_bytes(data)
    marks = tmp / "marks.credential"
    marks.write_bytes(b"\n".join(sorted({mark for secret in secrets for mark in traces(secret)})))
    # Hundreds of texts at once are what grep is quick at.
    command = ["grep", "--null", "-a", "-l", "-F", "-f", marks, "--", *files.values()]
    told = subprocess.run(command, capture_output=True, timeout=60)
    assert told.returncode in (0, 1), told.stderr
    there = {pathlib.Path(text) for text in told.stdout.decode().split("\0") if text}
    marks.unlink()
    return sorted(name for name, path in files.items() if path in there), len(files)


@pytest.fixture
def pages(dev, verifying):
    """What the programs that still run tell of themselves."""
    with urllib.request.urlopen(dev["metrics"], timeout=5) as page:
        return {"dev": page.read(), "verifier": verifying.scraped().encode()}


def test_a_token_at_each_door(guarded, ask, mint):
    """Good, bad, as Bearer, as Basic, twice: so that this file alone has something to look for."""
    secret, path = mint("ada").secret, "/acme/secret-70b/resolve/main/config.json"
    basic = "Basic " + base64.b64encode(f"{secret}:".encode()).decode()
    assert ask(guarded.port, path, secret).status == 200
    assert ask(guarded.port, path, headers=[("Authorization", basic)]).status == 200
    assert ask(guarded.port, path, secret[:-4] + "AAAA").status == 401
    assert ask(guarded.port, path, secret, headers=[("Authorization", basic)]).status in (400, 401)
    assert secret in MINTED


def test_no_program_wrote_a_token(tmp_path, tmp_path_factory, pages):
    where, searched = found(tmp_path_factory.getbasetemp(), pages, MINTED, tmp_path / "pages")
    assert where == [] and searched > 8


@pytest.mark.parametrize("form", ["bearer", "basic", "padded", "cut", "metrics"])
def test_a_token_that_was_written_is_found(tmp_path, pages, mint, form):
    secret = mint("ada").secret
    written = {
        "bearer": f"GET / HTTP/1.1\nauthorization: Bearer {secret}\n",
        "basic": "Basic " + base64.b64encode(f"hf_user:{secret}".encode()).decode(),
        "padded": "Basic " + base64.b64encode(f"{secret}:".encode()).decode(),
        # As a redactor leaves it that knows only the first characters.
        "cut": f"token=[redacted]{secret[40:]}",
        "metrics": "",
    }[form]
    (tmp_path / "log").write_text(written)
    if form == "metrics":
        pages["dev"] += f'uses{{token="{secret}"}} 1\n'.encode()
    where, _ = found(tmp_path, pages, {secret}, tmp_path / "pages")
    assert where == (["dev"] if form == "metrics" else [str(tmp_path / "log")])
