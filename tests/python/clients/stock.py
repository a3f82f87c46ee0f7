"""The programs that users have, run as users run them: each in a home of its own, never in this process.

A client keeps what it fetched and gives it out again after a revocation, so every case gets a fresh
home; `again` is the same home on purpose.
"""

import json
import os

from children import CLIENTS, CLIENTS_OLD, JS, run

VENVS = {"newest": CLIENTS, "0.36": CLIENTS_OLD}
# And those that are asked one thing only: what they show of a refusal.
SEEN = {version: CLIENTS.with_name(f"clients-{version}") for version in ("0.24", "1.2")}


# Each by itself, in one process: importing the client takes longer than asking.
EACH = """
import json
import huggingface_hub as h

api, told = h.HfApi(), {}
for name, code in json.load(open("cases.json")).items():
    try:
        told[name] = ["", str(eval(code))]
    except Exception as error:
        told[name] = [type(error).__name__, str(error)]
print(json.dumps(told))
"""


def bare_environment(home):
    """Nothing of this machine's settings, of proxies, or of its git."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "no_proxy": "*",
    }


class Stock:
    """huggingface_hub and what is built on it, of one version, aimed at one endpoint."""

    def __init__(self, home, endpoint, token=None, version="newest"):
        self.home, self.endpoint, self.venv = home, endpoint, (VENVS | SEEN)[version]
        self.environment = bare_environment(home) | {
            "HF_HOME": str(home / "hf"),
            "HF_ENDPOINT": endpoint,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        if token is not None:
            self.environment["HF_TOKEN"] = token

    def hf(self, *arguments, limit=60):
        return run([self.venv / "bin" / "hf", *arguments], self.environment, limit, self.home)

    def python(self, code, limit=60):
        return run([self.venv / "bin" / "python", "-c", code], self.environment, limit, self.home)

    def each(self, cases):
        """Of expressions by name: the class of the error that each raises, or nothing, and what it says.

        `h` is the library, `api` its API.
        """
        (self.home / "cases.json").write_text(json.dumps(cases))
        return json.loads(self.python(EACH).ok().splitlines()[-1])

    def raised(self, code, limit=60):
        """The class name of the error that the code raises, and its text."""
        body = "".join(f"    {line}\n" for line in code.splitlines())
        caught = "except Exception as error:\n    print(type(error).__name__)\n    print(error)\n"
        out = self.python(f"try:\n{body}{caught}else:\n    raise SystemExit('nothing raised')\n", limit).ok()
        name, _, text = out.partition("\n")
        return name, text


# The same in JavaScript: `h` is huggingface.js, `hubUrl` the endpoint.
EACH_JS = """
import fs from "node:fs";
import * as h from "@huggingface/hub";
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";

const told = {}, hubUrl = process.env.HF_ENDPOINT;
const made = Object.getPrototypeOf(async function () {}).constructor;
for (const [name, code] of Object.entries(JSON.parse(fs.readFileSync(process.argv.at(-1))))) {
  try {
    told[name] = ["", String(await new made("h", "hubUrl", "OpenAI", "Anthropic", code)(h, hubUrl, OpenAI, Anthropic))];
  } catch (error) {
    told[name] = [error.constructor.name, String(error.message)];
  }
}
console.log(JSON.stringify(told));
"""


class Script:
    """Clients in JavaScript, aimed at one endpoint."""

    def __init__(self, home, endpoint):
        self.home, self.environment = home, bare_environment(home) | {"HF_ENDPOINT": endpoint}

    def each(self, cases, limit=60):
        """As above, of functions' bodies."""
        (self.home / "cases.json").write_text(json.dumps(cases))
        command = [CLIENTS / "bin" / "node", "--input-type=module", "-e", EACH_JS, self.home / "cases.json"]
        # Where the packages are found.
        return json.loads(run(command, self.environment, limit, JS).ok().splitlines()[-1])


class Git:
    """Git with a home of its own, with or without git-lfs."""

    def __init__(self, home, lfs=False, token=None):
        self.home = home
        self.environment = bare_environment(home) | {
            "GIT_AUTHOR_NAME": "ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
        }  # fmt: skip
        if token is not None:
            helper = f"!f() {{ echo username=hf_user; echo password={token}; }}; f"
            self("config", "--global", "credential.helper", helper).ok()
        if lfs:
            self("lfs", "install", "--skip-repo").ok()

    def __call__(self, *arguments, at=None, limit=60):
        return run(["git", *arguments], self.environment, limit, at or self.home)
