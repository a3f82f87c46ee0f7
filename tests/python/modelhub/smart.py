"""Clone and push, by git's own `git http-backend`."""

import os
import subprocess

from .wire import CHUNK, Answer


def serve(hub, request, kind, name, service):
    """CGI. Git prints its headers before it reads; they are kept back until the body is in, since some
    proxies (nginx) send no more of a body once the answer has begun.
    """
    repo = hub.repos.find(kind or "models", name)
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(repo.folder.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PATH_INFO": f"/{repo.folder.name}/{service}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_text,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "HOME": "/nonexistent",
    }
    pipe = subprocess.PIPE
    backend = subprocess.Popen(
        ["git", "http-backend"], env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
    )

    try:
        for piece in request.pieces():
            backend.stdin.write(piece)
        backend.stdin.close()
    except BrokenPipeError:
        # It has answered without the rest.
        pass
    headers, status = {}, 200
    for line in iter(backend.stdout.readline, b""):
        text = line.decode().strip()
        if not text:
            break
        key, _, value = text.partition(": ")
        if key == "Status":
            status = int(value.split()[0])
        else:
            headers[key] = value

    def pieces():
        try:
            while piece := backend.stdout.read1(CHUNK):
                yield piece
        finally:
            backend.kill()
            backend.wait()

    return Answer(pieces(), status, headers)
