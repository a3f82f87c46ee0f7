"""Runs the hub until it is ended. The first line printed is JSON: its port and its storage's."""

import argparse
import json
import signal
import threading

from . import fill
from .routes import Hub
from .wire import Record, Server


def main():
    parser = argparse.ArgumentParser(prog="modelhub", description=__doc__)
    parser.add_argument("--root", required=True, help="folder of the bare repositories")
    parser.add_argument("--record", required=True, help="file for a line of JSON a request")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fill", action="store_true", help="make the sample repositories first")
    options = parser.parse_args()

    hub, record = Hub(options.root), Record(options.record)
    if options.fill:
        fill.fill(hub.repos)
    storage = Server(0, "storage", record, hub.answer)
    hub.storage = f"http://127.0.0.1:{storage.server_port}"
    server = Server(options.port, "hub", record, hub.answer)
    for each in (storage, server):
        threading.Thread(target=each.serve_forever, args=(0.05,), daemon=True).start()
    print(json.dumps({"port": server.server_port, "storage_port": storage.server_port}), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    # Held back in every thread that is started later, so that only `sigwait` sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
