"""Envoy, nginx and Caddy on loopback, with the settings of deploy/ and an upstream, and the verifier's own
guard; ended by id."""

import json
import os
import pathlib
import re
import subprocess
import sys

import children

from verifying import Verifier

from .settings import render

HERE = pathlib.Path(__file__).parent
# A port where nothing listens.
NOBODY = 9
NGINX = """
daemon off;
{user}
error_log {folder}/error.log;
pid {folder}/nginx.pid;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/tokenward.conf;
}}
"""


class Door:
    """One proxy: `verifier`, `upstream`, `http` and `issuer` are ports on loopback. `http`: of the verifier's own
    HTTP listener. `strip`: no credential goes on. `tls`: how the verifier and the issuer are reached by TLS.
    """

    name = None
    # How it asks the verifier: over gRPC or HTTP.
    grpc = False

    @property
    def bodies(self):
        """It shows the verifier what a request's body says."""
        return self.grpc

    def __init__(self, folder, verifier, upstream, strip=True, http=NOBODY, issuer=NOBODY, tls=None):
        self.folder, self.verifier, self.upstream = pathlib.Path(folder), verifier, upstream
        self.http, self.issuer = http, issuer
        self.port, self.strip, self.tls = children.free_port(), strip, tls
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.folder / "log"
        command, environment = self.prepare()
        self._process = children.start(command, self.log, env=environment)
        try:
            children.listening(self._process, self.port, self.log)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        children.end(self._process)

    def environment(self):
        # A variable named NGINX means inherited sockets to nginx; nothing of ours is wanted at all.
        return {"PATH": os.environ["PATH"] + ":/usr/sbin", "HOME": str(self.folder)}


class Nginx(Door):
    name = "nginx"

    def prepare(self):
        settings = render(
            "nginx/tokenward.conf", self.strip, self.tls,
            LISTEN=f"127.0.0.1:{self.port}",
            VERIFIER=f"127.0.0.1:{self.verifier}",
            ISSUER=f"127.0.0.1:{self.issuer}",
            UPSTREAM=f"127.0.0.1:{self.upstream}",
        )  # fmt: skip
        (self.folder / "tokenward.conf").write_text(settings)
        # As root its workers would become a user that can't see a test's folder.
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, user=user))
        environment = self.environment()
        binary = next(
            path for part in environment["PATH"].split(":") if (path := pathlib.Path(part, "nginx")).exists()
        )
        return [binary, "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", self.log], environment


class Caddy(Door):
    name = "caddy"

    def prepare(self):
        settings = render(
            "caddy/Caddyfile", self.strip, self.tls,
            LISTEN=f"http://127.0.0.1:{self.port}",
            VERIFIER=f"127.0.0.1:{self.verifier}",
            ISSUER=f"127.0.0.1:{self.issuer}",
            UPSTREAM=f"127.0.0.1:{self.upstream}",
        )  # fmt: skip
        path = self.folder / "Caddyfile"
        path.write_text(settings)
        command = [children.CLIENTS / "bin" / "caddy", "run", "--adapter", "caddyfile", "--config", path]
        return command, self.environment()


class Envoy(Door):
    name = "envoy"
    grpc = True

    def prepare(self):
        self.admin = children.free_port()
        settings = render(
            "envoy/envoy.yaml", self.strip, self.tls,
            LISTEN_HOST="127.0.0.1", LISTEN_PORT=self.port, ADMIN_PORT=self.admin,
            VERIFIER_HOST="127.0.0.1", VERIFIER_PORT=self.verifier,
            VERIFIER_HTTP_HOST="127.0.0.1", VERIFIER_HTTP_PORT=self.http,
            ISSUER_HOST="127.0.0.1", ISSUER_PORT=self.issuer,
            UPSTREAM_HOST="127.0.0.1", UPSTREAM_PORT=self.upstream,
        )  # fmt: skip
        path = self.folder / "envoy.yaml"
        path.write_text(settings)
        command = [children.CLIENTS / "bin" / "envoy", "-c", path, "--disable-hot-restart"]
        return command + ["--concurrency", "1", "--log-level", "warning"], self.environment()


class EnvoyHttp(Envoy):
    """Its ext_authz over HTTP. Not among the others: the stand-in for the verifier isn't asked in this way."""

    name = "envoy-http"
    grpc = False
    bodies = True

    def prepare(self):
        command, environment = super().prepare()
        path = self.folder / "envoy.yaml"
        text = path.read_text()
        before, _, rest = text.partition("          - name: envoy.filters.http.ext_authz\n")
        _, router, after = rest.partition("          - name: envoy.filters.http.router\n")
        text = before + render("envoy/http-filter.yaml") + router + after
        text = text.replace("grpc_health_check: {}", "tcp_health_check: {}")
        text, count = re.subn(r"    typed_extension_protocol_options:.*?(?=    load_assignment:)", "", text, count=1, flags=re.S)
        assert router and count == 1
        path.write_text(text)
        return command, environment


DOORS = {door.name: door for door in (Envoy, Nginx, Caddy)}


class Guard:
    """The verifier as a proxy by itself, beside `dev`. `routes`: rules of a test's own, after the hub's;
    `whole`: instead of them."""

    name = "guard"
    bodies = True

    def __init__(self, program, folder, dev, upstream, *options, routes="", whole=None):
        self.port = children.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        table = pathlib.Path(folder) / "routes.tsv"
        table.write_text(whole or f"@include hub\n{routes}")
        self.verifier = Verifier(
            program, folder, dev, "--routes", table,
            "--guard", f"http://127.0.0.1:{upstream}", "--guard-listen", f"127.0.0.1:{self.port}", *options,
        )  # fmt: skip

    def stop(self):
        self.verifier.stop()


class Authorizer:
    """The stand-in for the verifier, of either kind, and what it was asked."""

    def __init__(self, folder, grpc):
        folder = pathlib.Path(folder)
        self.asked, log = folder / "asked.jsonl", folder / "log"
        self.asked.touch()
        program = HERE / ("authorizer_grpc.py" if grpc else "authorizer.py")
        self._process = children.start([sys.executable, program, self.asked], log, stdout=subprocess.PIPE)
        self.port = children.announced(self._process, log)["port"]

    def mark(self):
        return self.asked.stat().st_size

    def questions(self, since=0):
        with open(self.asked) as file:
            file.seek(since)
            return [json.loads(line) for line in file]

    def stop(self):
        children.end(self._process)
        self._process.stdout.close()
