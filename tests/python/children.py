"""Programs that a test starts: waited for until ready, always bounded, ended by their own ids."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
CLIENTS = TOOLS / "clients"
CLIENTS_OLD = TOOLS / "clients-old"
JS = TOOLS / "js"
LIMIT = 20
# Folders of users, who may write down their own secrets.
HOMES = set()


def home(folder):
    """A user's, made new."""
    folder.mkdir()
    HOMES.add(folder)
    return folder


def end(process, sign=signal.SIGTERM):
    """Its whole group: nginx, git and their like have children that outlive them."""
    if process.poll() is None:
        os.killpg(process.pid, sign)
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(LIMIT)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def start(command, log, **options):
    """In a group of its own; what it says goes to the file `log`."""
    with open(log, "ab") as file:
        options = {"stdout": file, "stderr": file} | options
        return subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, **options)


def announced(process, log):
    """The JSON on a server's first line; its standard output must be a pipe."""
    line = process.stdout.readline()
    assert line, f"ended without a word: {pathlib.Path(log).read_text()}"
    return json.loads(line)


def listening(process, port, log):
    """Until something takes connections at the port."""
    last = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, pathlib.Path(log).read_text()
            assert time.monotonic() < last, f"nothing at {port}: {pathlib.Path(log).read_text()}"
            time.sleep(0.02)


def conversation(port, sent):
    """All that comes back until the other end closes."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), LIMIT) as connection:
        try:
            connection.sendall(sent)
            while data := connection.recv(65536):
                got += data
        except OSError:
            pass
    return got


def free_port():
    """From those below the ones that the system hands out, so that no connection takes it meanwhile."""
    for _ in range(50):
        port = 10_000 + int.from_bytes(os.urandom(2), "big") % 20_000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


class Result:
    def __init__(self, command, status, out, err):
        self.command, self.status, self.out, self.err = command, status, out, err

    def ok(self):
        assert self.status == 0, f"{self.command} ended with {self.status}\n{self.out}\n{self.err}"
        return self.out

    def failed(self):
        assert self.status != 0, f"{self.command} went well\n{self.out}\n{self.err}"
        return self.out + self.err


def run(command, env, limit=60, cwd=None):
    """To its end, or killed with its children after `limit` seconds."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [str(part) for part in command], env=env, cwd=cwd, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"{command} took more than {limit} s\n{out}\n{err}") from None
    return Result(command, process.returncode, out, err)
