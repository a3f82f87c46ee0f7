"""What only tests ask for. Requests held up on a test's word, so that what happens meanwhile needs no
luck with time:

`POST /test/hold/NAME?path=PREFIX&after=N`: of the requests whose path begins so, all but the next N
wait until `POST /test/release/NAME`, or for `LIMIT` seconds. They are recorded before they wait.

`POST /test/early/...` begins to answer before it reads, as git's server does, and ends with the body's
sha256.
"""

import hashlib
import threading

from .wire import Answer, answer_json

LIMIT = 30
_lock = threading.Lock()
_events = {}
_holds = []


def event(name):
    with _lock:
        return _events.setdefault(name, threading.Event())


def hold(hub, request, name):
    with _lock:
        rule = {"name": name, "path": request.query["path"], "after": int(request.query.get("after", 0))}
        _holds.append(rule)
    return answer_json({})


def release(hub, request, name):
    event(name).set()
    with _lock:
        _holds[:] = [rule for rule in _holds if rule["name"] != name]
    return answer_json({})


def wait(path):
    held = []
    with _lock:
        for rule in _holds:
            if path.startswith(rule["path"]):
                rule["after"] -= 1
                if rule["after"] < 0:
                    held.append(rule["name"])
    for name in held:
        event(name).wait(LIMIT)


def early(hub, request, name):
    def pieces():
        yield b"begun\n"
        digest = hashlib.sha256()
        for piece in request.pieces():
            digest.update(piece)
        yield digest.hexdigest().encode()

    return Answer(pieces())
