"""The table of requests, `tests/cases/requests.tsv`, which says how it is read."""

import base64
import dataclasses
import re

import children

from .asking import Request, Told

CASES = children.ROOT / "tests" / "cases"
TABLE = CASES / "requests.tsv"
HUB_ROUTES = children.ROOT / "verifier" / "src" / "edge" / "routes" / "hub.tsv"
# Tables of routes besides the hub's, by the names that rows give them.
TABLES = {
    "inference": "@include inference\n",
    "served": "@model * lab/secret\n@include inference\n",
    "named": "@model secret lab/secret\n@include inference\n",
}
OWNERS = {"revoked": "mia", "bad": "mia", "reader": "wes", "fine": "wes", "bare": "sam"}
CODES = {"R": "RepoNotFound", "G": "GatedRepo"}


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


# From a token to the values of Authorization, and to other headers.
FORMS = {
    "bearer": lambda token: [f"Bearer {token}"],
    "basic": lambda token: [basic(f"hf_user:{token}")],
    "lower": lambda token: [f"bearer {token}"],
    "spaces": lambda token: [f"Bearer   {token}"],
    "bare-basic": lambda token: [basic(f":{token}")],
    "username": lambda token: [basic(f"{token}:")],
    "any-case-basic": lambda token: [basic(f"x:{token}").replace("Basic", "bAsIc")],
    "no-padding": lambda token: [basic(f"hf_user:{token}").rstrip("=")],
    "twice": lambda token: [f"Bearer {token}"] * 2,
    "joined": lambda token: [f"Bearer {token},Bearer {token}"],
    "and-other": lambda token: [f"Bearer {token}", "Bearer tw_other"],
    "and-empty": lambda token: [f"Bearer {token}", ""],
    "two-ways": lambda token: [f"Bearer {token}", basic(f"x:{token}")],
    "naked": lambda token: [token],
    "no-base64": lambda token: ["Basic %%%"],
    "no-colon": lambda token: [basic(token)],
    "empty": lambda token: [""],
    "empty-bearer": lambda token: ["Bearer "],
    "empty-basic": lambda token: [basic(":")],
    "digest": lambda token: [f"Digest {token}"],
    "cut": lambda token: [f"Bearer {token[:-1]}"],
    "longer": lambda token: [f"Bearer {token}A"],
    "key": lambda token: [("x-api-key", token)],
    "key-too": lambda token: [f"Bearer {token}", ("x-api-key", token)],
    "other-key": lambda token: [f"Bearer {token}", ("x-api-key", "tw_other")],
    "empty-key": lambda token: [f"Bearer {token}", ("x-api-key", "")],
    "adapter": lambda token: [f"Bearer {token}", ("x-amzn-sagemaker-adapter-identifier", "lab/open")],
    "tab": lambda token: [f"Bearer\t{token}"],
}


@dataclasses.dataclass(frozen=True)
class Row:
    """`answers` and `unseen` are pairs of a caller (with a form, or none) and what it is told."""

    number: int
    method: str
    target: str
    body: bytes | None
    asks: str
    answers: tuple
    unseen: tuple | None
    bill: str | None
    # The built-in table that it is judged by.
    table: str

    def __str__(self):
        return f"line {self.number}: {self.method} {self.target}"

    def requests(self, secrets):
        """The caller's name, the request, and what is told of it: with its body, and without."""
        unseen = dict(self.unseen or self.answers)
        for number, (who, told) in enumerate(self.answers):
            name, _, form = who.partition("/")
            form = form or ("basic" if (self.number + number) % 2 else "bearer")
            credentials = () if name == "nobody" else tuple(FORMS[form](secrets[name]))
            request = Request(self.method, self.target, self.body, credentials, self.bill)
            yield name, request, told, unseen[who]


def told(text):
    status, _, code = text.partition("/")
    return Told(status == "200", int(status), CODES[code] if code else None)


def read(text):
    callers, named, rows = [], {}, []

    def answers(cell):
        if cell in named:
            return named[cell]
        pairs = (pair.split("=") for pair in cell.split())
        return tuple((who, told(answer)) for who, answer in pairs)

    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        try:
            if cells[0] == "callers":
                callers = cells[1:]
            elif len(cells) == 1 + len(callers) and re.fullmatch("[a-z.]+", cells[0]):
                named[cells[0]] = tuple(zip(callers, map(told, cells[1:]), strict=True))
            else:
                method, target, body, asks, cell, *more = cells
                more = dict(each.split("=", 1) for each in more)
                unseen = answers(more.pop("unseen")) if "unseen" in more else None
                bill, table = more.pop("bill", None), more.pop("table", "hub")
                assert not more, f"{more} is not known"
                body = None if body == "-" else body.encode()
                rows.append(Row(number, method, target, body, asks, answers(cell), unseen, bill, table))
        except (ValueError, KeyError, AssertionError) as error:
            raise AssertionError(f"line {number}: {error}") from error
    return rows


def asked_of(asks):
    """The questions of a row, as KIND, NAME and permission; none where nothing of Check's is asked."""
    if asks in ("open", "visitor", "identity", "-"):
        return []
    questions = []
    for each in asks.split(" & "):
        on, permission = each.split(" ")
        kind, _, name = on.partition(":")
        questions.append((kind, name, permission))
    return questions


def differences(rows, secrets, doors, check=None):
    """What any door, or Check, tells otherwise than the table."""
    found = []
    for row in rows:
        for who, request, seen, unseen in row.requests(secrets):
            for door in doors:
                if hasattr(door, "serves") and not door.serves(request):
                    continue
                expected, got = seen if door.shows_bodies else unseen, door.ask(request)
                if got != expected:
                    found.append(f"{row}: {who} at {door.name} is told {got}, not {expected}")
            if check and (asked_of(row.asks) or row.asks == "identity"):
                allowed, status = check(who, row.asks)
                # To Check a name in another case is the name; a client is sent on to the present one.
                expected = (True, 200) if seen.status == 307 else (seen.allowed, seen.status)
                if (allowed, status) != expected:
                    found.append(f"{row}: {who} by Check is told {status}, not {seen.status}")
    return found


def rules(text):
    """Of a table of routes: methods, a regex of paths, and the condition as it stands."""
    parts = {
        "{kinds}": "/(models|datasets|spaces|kernels)",
        "{prefix}": "(/(datasets|spaces|kernels))?",
        "{id}": "/[^/]+(/[^/]+)?",
        "{id.git}": r"/[^/]+(/[^/]+)?(\.git)?",
        "{repo}": "/[^/]+/[^/]+",
        "{path}": "/.+",
        "{path?}": "(/.+)?",
        "{rest}": "/.+",
        "{rest?}": "(/.+)?",
    }
    for line in text.splitlines():
        words = line.split()
        if len(words) < 4 or words[0].startswith(("#", "[", "@")):
            continue
        methods, path, when = words[:3]
        pieces = [parts.get(part) or ("/[^/]+" if part[0] == "{" else "/" + re.escape(part)) for part in path[1:].split("/")]
        yield methods.split(","), re.compile("".join(pieces)), when, line


def reaches(row, methods, path, when):
    where, _, query = row.target.partition("?")
    method = "GET" if row.method == "HEAD" else row.method
    if row.asks == "-" or not path.fullmatch(where) or methods != ["*"] and method not in methods:
        return False
    if when == "body.absent":
        return row.unseen is not None
    if when.startswith("?"):
        return when[1:] in query.split("&")
    wanted = when.removeprefix("body.operation=")
    return when == "-" or f'"operation":"{wanted}"'.encode() in (row.body or b"")
