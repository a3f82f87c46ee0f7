"""An inference server's surface: a list of models, and completions as a stream of events.

A completion with `"hold": NAME` sends its first event and keeps the rest until someone calls
`POST /test/release/NAME`: so a test can tell that a door passes on what has come so far.
"""

import json

from . import holds
from .wire import Answer, answer_json


def models(hub, request):
    return answer_json({"object": "list", "data": [{"id": "acme/open-1b", "object": "model"}]})


def completions(hub, request):
    wanted = request.json()
    if not wanted.get("stream"):
        message = {"role": "assistant", "content": "hello"}
        return answer_json({"object": "chat.completion", "choices": [{"index": 0, "message": message}]})

    def events():
        for word in ("hello", "world"):
            delta = {"choices": [{"index": 0, "delta": {"content": word}}]}
            yield b"data: %s\n\n" % json.dumps(delta).encode()
            if word == "hello" and "hold" in wanted:
                holds.event(wanted["hold"]).wait(holds.LIMIT)
        yield b"data: [DONE]\n\n"

    return Answer(events(), headers={"Content-Type": "text/event-stream"})
