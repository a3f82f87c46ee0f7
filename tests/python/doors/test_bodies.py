"""Prompts that are long or compressed: judged by what they say where bodies are shown, and sent on as they came."""

import gzip
import http.server
import json
import random
import threading
import time
import zlib

import pytest

import children

from .conftest import verifier_in, verifier_program
from .running import DOORS, EnvoyHttp, Guard

CHAT = "/v1/chat/completions"
MIB = 1024 * 1024
SEVERAL = "@include inference\n"


class Keeps(http.server.BaseHTTPRequestHandler):
    """Says 200, and keeps what came."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "POST":
            self.server.came.append((self.headers.get("Content-Encoding"), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET


@pytest.fixture(scope="module")
def behind():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keeps)
    server.daemon_threads, server.came = True, []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def started(name, folder, dev, behind, verifying=None, *options, whole=None):
    if name == Guard.name:
        return Guard(verifier_program(), folder, dev, behind.server_port, *options, whole=whole)
    kind = {**DOORS, EnvoyHttp.name: EnvoyHttp}[name]
    return kind(folder, verifying.grpc_port if kind.grpc else verifying.http_port, behind.server_port)


@pytest.fixture(scope="module", params=["envoy", EnvoyHttp.name, Guard.name])
def shows(request, tmp_path_factory, dev, behind):
    """A door that shows bodies."""
    folder, beside = (tmp_path_factory.mktemp(name) for name in (request.param, "verifier"))
    (beside / "table.tsv").write_text(SEVERAL)
    verifying = verifier_in(beside, dev, "--shown-body", "64KiB,8MiB", "--routes", beside / "table.tsv")
    running = started(request.param, folder, dev, behind, verifying, whole=SEVERAL)
    yield running
    running.stop()
    verifying.stop()


def prompt(model, length=0):
    """So many bytes that don't compress to nothing."""
    text = "".join(random.Random(7).choices("abcdefghijklmnop ", k=length))
    return json.dumps({"messages": [{"role": "user", "content": text}], "model": model}).encode()


def test_what_a_long_or_compressed_prompt_names_is_judged(shows, behind, ask, mint):
    open_, secret = "acme/open-1b", "acme/secret-70b"
    linus, ada = (mint(name, "READ").secret for name in ("linus", "ada"))
    short, long = prompt(open_), prompt(open_, 3 * MIB)
    raw = zlib.compressobj(wbits=-15)
    deflated = raw.compress(short) + raw.flush()
    rows = [
        ("long", linus, None, long, 200),
        ("long, hidden", linus, None, prompt(secret, 3 * MIB), 404),
        ("long, own", ada, None, prompt(secret, 3 * MIB), 200),
        ("too long", linus, None, prompt(open_, 9 * MIB), 413),
        ("gzip", linus, "gzip", gzip.compress(short), 200),
        ("gzip, hidden", linus, "gzip", gzip.compress(prompt(secret)), 404),
        ("gzip, own", ada, "gzip", gzip.compress(prompt(secret)), 200),
        ("gzip, long", linus, "gzip", gzip.compress(long), 200),
        ("gzip, too long", linus, "gzip", gzip.compress(prompt(open_, 9 * MIB)), 413),
        ("a bomb", linus, "gzip", gzip.compress(b" " * 32 * MIB + short), 413),
        ("twice", linus, "gzip", gzip.compress(b'{"model":"acme/open-1b","model":"acme/secret-70b"}'), 400),
        ("two members", linus, "gzip", gzip.compress(short) + gzip.compress(b" "), 415),
        ("more behind", linus, "gzip", gzip.compress(short) + b"\0", 415),
        ("cut off", linus, "gzip", gzip.compress(short)[:-1], 415),
        ("none", linus, "gzip", short, 415),
        ("deflate, as some read it", linus, "deflate", deflated, 415),
        ("deflate, as others do", linus, "deflate", zlib.compress(short), 415),
        ("two codings", linus, "gzip, gzip", gzip.compress(gzip.compress(short)), 415),
    ]
    last = time.monotonic() + children.LIMIT
    while 401 in [ask(shows.port, "/v1/models", token).status for token in (linus, ada)]:
        assert time.monotonic() < last, "never known"
    for name, token, coding, body, status in rows:
        headers = [("Content-Type", "application/json")]
        headers += [("Content-Encoding", coding)] if coding else []
        behind.came.clear()
        answer = ask(shows.port, CHAT, token, "POST", body, headers)
        assert answer.status == status, (name, answer.status, answer.body)
        assert behind.came == ([(coding, body)] if status == 200 else []), name


@pytest.mark.parametrize("name", list(DOORS) + [Guard.name])
def test_before_a_server_of_one_model_a_body_may_be_anything(name, tmp_path, dev, behind, ask, mint):
    table = "@model * acme/open-1b\n@include inference\n"
    (tmp_path / "table.tsv").write_text(table)
    (tmp_path / "verifier").mkdir()
    (tmp_path / "door").mkdir()
    verifying = verifier_in(tmp_path / "verifier", dev, "--routes", tmp_path / "table.tsv")
    front = None
    try:
        front = started(name, tmp_path / "door", dev, behind, verifying, whole=table)
        linus = mint("linus", "READ").secret
        last, body = time.monotonic() + children.LIMIT, gzip.compress(prompt("whatever")) + b"more"
        # Minted a moment ago.
        while (answer := ask(front.port, CHAT, linus, "POST", body, [("Content-Encoding", "gzip")])).status == 401:
            assert time.monotonic() < last, answer.body
        assert (answer.status, behind.came[-1]) == (200, ("gzip", body))
        form = [("Content-Type", "multipart/form-data; boundary=x")]
        assert ask(front.port, "/v1/audio/transcriptions", linus, "POST", b"--x--", form).status == 200
    finally:
        verifying.stop()
        if front:
            front.stop()


def test_before_one_of_several_a_form_is_refused_and_told_what_would_do(tmp_path, dev, behind, ask, mint):
    front = started(Guard.name, tmp_path, dev, behind, whole=SEVERAL)
    try:
        linus, came = mint("linus", "READ").secret, len(behind.came)
        last = time.monotonic() + children.LIMIT
        while ask(front.port, "/v1/models", linus).status == 401:
            assert time.monotonic() < last, "never known"
        form = [("Content-Type", "multipart/form-data; boundary=x")]
        body = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nacme/open-1b\r\n--x--\r\n'
        answer = ask(front.port, "/v1/audio/transcriptions", linus, "POST", body, form)
        assert answer.status == 403
        assert "@model * OWNER/NAME" in answer.header("x-error-message")
        nested = b'{"model":"acme/open-1b","parameters":{"adapter_id":"acme/secret-70b"}}'
        answer = ask(front.port, CHAT, linus, "POST", nested)
        assert (answer.status, b"adapter_id" in answer.body) == (400, True)
        assert len(behind.came) == came
    finally:
        front.stop()
