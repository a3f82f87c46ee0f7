"""Is a client's route decided on? By the rules of a table, and by the list of those that are not in it."""

import dataclasses
import itertools

# The words that these parts stand for; of a client's route, all are tried.
KINDS = ("models", "datasets", "spaces", "kernels")
PREFIXES = ((), ("datasets",), ("spaces",), ("kernels",))


@dataclasses.dataclass(frozen=True)
class Rule:
    methods: tuple
    parts: tuple


def rules(text):
    """Of a table of routes, whatever their conditions."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 4 or words[0].startswith(("#", "[", "@")):
            continue
        found.append(Rule(tuple(words[0].split(",")), tuple(words[1][1:].split("/"))))
    return found


@dataclasses.dataclass(frozen=True)
class Segment:
    text: str
    # A word of the client's, not a value that it fills in.
    word: bool


NAMES = ("{id}", "{id.git}", "{repo}", "{account}")


def fit(parts, path):
    """Which parts take which segments, the first way that the table would find; or None."""
    if not parts:
        return [] if not path else None
    part, rest = parts[0], parts[1:]

    def taking(count):
        if len(path) < count:
            return None
        after = fit(rest, path[count:])
        return None if after is None else [(part, segment) for segment in path[:count]] + after

    first = path[0].text if path else None
    if part == "{prefix}":
        if first in KINDS[1:]:
            found = taking(1)
            if found is not None:
                return found
        return fit(rest, path)
    if part in ("{path}", "{rest}", "{path?}", "{rest?}"):
        return taking(len(path)) if path or part.endswith("?}") else None
    if part in ("{id}", "{id.git}"):
        two = taking(2)
        return two if two is not None else taking(1)
    if part == "{repo}":
        return taking(2)
    if part == "{kinds}":
        return taking(1) if first in KINDS else None
    if part.startswith("{"):
        return taking(1)
    return taking(1) if first == part else None


def paths(route):
    """The paths that a client's route stands for, in segments."""
    choices = []
    for number, part in enumerate(route[1:].split("/")):
        if part == "{kinds}":
            choices.append([(Segment(kind, True),) for kind in KINDS])
        elif part == "{prefix}":
            choices.append([tuple(Segment(word, True) for word in prefix) for prefix in PREFIXES])
        elif part.startswith("{id}"):
            tail = part.removeprefix("{id}")
            choices.append([(Segment(f"owner{number}", False), Segment(f"name{number}{tail}", False))])
        else:
            filled = part.replace("{}", f"x{number}")
            choices.append([(Segment(filled, filled == part),)])
    for pieces in itertools.product(*choices):
        yield [segment for piece in pieces for segment in piece]


class Decided:
    """By the list `tests/cases/clients.tsv`, which says how it is read, and a table's rules."""

    def __init__(self, text, table):
        self.table, self.without, self.meant = table, {}, {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line or line.startswith("#"):
                continue
            kind, route, said = line.split("\t")
            route = tuple(route.split(" "))
            assert said and route not in self.without and route not in self.meant, f"line {number}"
            if kind == "means":
                self.meant[route] = [tuple(each.split(" ")) for each in said.split(", ")]
            else:
                assert kind in ("closed", "elsewhere"), f"line {number}"
                self.without[route] = kind

    def missing(self, routes):
        """What of these is decided nowhere, and how that shows."""
        found = []
        for route in routes:
            if route in self.without:
                continue
            for method, path in self.meant.get(route, [route]):
                if method == "?":
                    found.append(f"? {path}: no method is known")
                    continue
                told = next(filter(None, (self.told(method, filled) for filled in paths(path))), None)
                if told:
                    found.append(f"{method} {path}: {told}")
        return found

    def told(self, method, path):
        method = "GET" if method == "HEAD" else method
        shown = "/" + "/".join(segment.text for segment in path)
        for rule in self.table:
            if rule.methods != ("*",) and method not in rule.methods:
                continue
            taken = fit(rule.parts, path)
            if taken is None:
                continue
            names = [segment.text for part, segment in taken if part in NAMES and segment.word]
            if names:
                return f"{shown}: {names} would be read as a name by /{'/'.join(rule.parts)}"
            return None
        return f"{shown}: no rule takes it"

    def unused(self, routes):
        """Decisions about what is not among these."""
        return [" ".join(route) for route in [*self.without, *self.meant] if route not in routes]
