"""Which routes can a stock client call? Read from its source, which is not run.

A route is a method and a path with holes for what is filled in at run time. A method that the source
doesn't show is `?`.
"""

import ast
import re

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# What gives a URL its beginning: the hub, or the router. The rest is a path.
ENDPOINT = re.compile(r"endpoint|ENDPOINT|hub_?url|HUB_?URL|base_?url", re.IGNORECASE)

# Endpoints that have a path of their own.
BEGINNINGS = {"INFERENCE_ENDPOINTS_ENDPOINT": "/v2", "INFERENCE_CATALOG_ENDPOINT": "/api/v1/catalog"}

# What holes stand for, by their source; each stands before the next.
READ_AS = (
    (r"\{id\}", "{}"),
    # The kind comes with the name.
    (r"^/api/\{repo_id\}/discussions", "/api/{kinds}/{id}/discussions"),
    (r"\{(src_)?repo_type\}s|\{repoId\.type\}s|\{api_prefix\}|\{repo_type\}", "{kinds}"),
    (r"\{url_prefix\}|\{[^{}]*REPO_TYPES_URL_PREFIXES[^{}]*\}|\{repoId\.type === [^{}]*\}", "{prefix}/"),
    (r"\{(src_)?repo_id\}|\{from_id\}|\{(self\.|resolved_path\.)?bucket_id\}|\{collection_slug\}", "{id}"),
    (r"\{self\.repo_id\}|\{(params|self)\.slug\}|\{ ?repoId\.name ?\}|\{params\.name\}|\{modelId\}", "{id}"),
    (r"\{provider\}", "{}"),
    (r"\{mapped_model\}|\{(params\.)?model\}|\{namespace\}/\{(repoName|name)\}", "{id}"),
    # With a slash of its own, or nothing.
    (r"\{ ?revision \?[^{}]*\}|\{params\.path \?[^{}]*\}|\{encoded_[a-z_]*\}", "/{}"),
    (r"\{(?!id\}|kinds\}|prefix\})[^{}]*\}", "{}"),
)


def plain(path):
    """A route's path as a table writes it: `{id}` for a repo, `{}` for any other value. No query."""
    path = re.sub(r"\s+", " ", path)
    for source, meaning in READ_AS:
        path = re.sub(source, meaning, path)
    return path.partition("?")[0].rstrip("/")


# --- Python ---


def of_string(node):
    """The text of a string or an f-string, its holes as `{source}`; or nothing."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        pieces = []
        for value in node.values:
            pieces.append(value.value if isinstance(value, ast.Constant) else "{" + ast.unparse(value.value) + "}")
        return "".join(pieces)
    return None


def path_of(text):
    """The path of a URL whose beginning is an endpoint."""
    found = re.match(r"\{([^{}]*)\}(/.*)", text, re.DOTALL)
    if found and ENDPOINT.search(found[1]):
        begins = [path for name, path in BEGINNINGS.items() if name in found[1]]
        return "".join(begins) + found[2]
    return None


class Function(ast.NodeVisitor):
    """Of one function: the URLs that it makes, by the names that they get, and the calls that use them."""

    def __init__(self):
        self.urls, self.calls = [], []

    def visit_JoinedStr(self, node):
        path = path_of(of_string(node))
        if path is not None:
            self.urls.append((path, node))

    def visit_Call(self, node):
        self.calls.append(node)
        self.generic_visit(node)


def method_of(call):
    """By the name of what is called, or by an argument of it."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name.upper() in METHODS:
        return name.upper()
    if "paginate" in name:
        return "GET"
    words = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "method")]
    for word in words:
        if isinstance(word, ast.Constant) and word.value in METHODS:
            return word.value
    return None


def names_in(node):
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def routes_of_function(function):
    """Each URL with the methods of the calls that take it, directly or by a variable's name."""
    read = Function()
    for statement in function.body:
        read.visit(statement)
    named = {}
    for node in ast.walk(function):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    for inner in ast.walk(node.value):
                        named.setdefault(id(inner), set()).add(target.id)
    for path, node in read.urls:
        methods = set()
        for call in read.calls:
            arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
            inside = any(inner is node for argument in arguments for inner in ast.walk(argument))
            by_name = any(named.get(id(node), set()) & names_in(argument) for argument in arguments)
            if inside or by_name:
                method = method_of(call)
                if method:
                    methods.add(method)
        for method in methods or {"?"}:
            yield method, path


def of_python(folder):
    """Of a package: pairs of a method and a path, holes with what they say."""
    for file in sorted(folder.rglob("*.py")):
        tree = ast.parse(file.read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        for function in functions:
            yield from routes_of_function(function)


def of_python_providers(folder):
    """What providers of inference call their routes, put after the router's own path for each."""
    for file in sorted(folder.glob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef) and function.name == "_prepare_route":
                for node in ast.walk(function):
                    route = of_string(node.value) if isinstance(node, ast.Return) else None
                    if route:
                        yield "POST", "/{provider}/" + route.lstrip("/")


# --- TypeScript ---


def templates(text):
    """Where each template literal begins, and its text with holes as `{source}`."""
    at = 0
    while (begin := text.find("`", at)) >= 0:
        pieces, place = [], begin + 1
        while place < len(text) and text[place] != "`":
            if text.startswith("${", place):
                depth, start = 1, place + 2
                place = start
                while depth and place < len(text):
                    depth += {"{": 1, "}": -1}.get(text[place], 0)
                    place += 1
                pieces.append("{" + text[start : place - 1].replace("{", "(").replace("}", ")") + "}")
            else:
                pieces.append(text[place])
                place += 1
        yield begin, "".join(pieces)
        at = place + 1


def of_typescript(folder):
    for file in sorted(folder.rglob("*.ts")):
        if ".spec." in file.name:
            continue
        text = re.sub(r"^\s*(\*|//|/\*).*$", "", file.read_text(), flags=re.MULTILINE)
        for begin, template in templates(text):
            path = path_of(template)
            if path is None:
                continue
            # Up to the next call; a URL that stands alone is fetched a little later.
            after = re.split(r"fetch\)?\(", text[begin : begin + 900])
            near = after[0] if 'method: "' in after[0] else "".join(after[:2])
            found = re.search(r'method: "([A-Z]+)"', near)
            yield (found[1] if found else "GET"), path


def of_typescript_providers(folder):
    for file in sorted(folder.glob("*.ts")):
        for body in re.findall(r"makeRoute\([^)]*\): string \{(.*?)\n\t\}", file.read_text(), re.DOTALL):
            for quoted in re.findall(r'return ("[^"]+"|`[^`]+`)', body):
                yield "POST", "/{provider}/" + quoted[1:-1].replace("${", "{").lstrip("/")
