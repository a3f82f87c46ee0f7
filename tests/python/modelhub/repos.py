"""Bare git repositories in a folder, one a model, dataset or space, and the LFS objects beside them.

Everything the hub knows of a repository is read from git when asked, so a push and a commit over
HTTP see each other at once.
"""

import dataclasses
import pathlib
import re
import subprocess
import threading

from .wire import Refused

KINDS = ("models", "datasets", "spaces")
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
ATTRIBUTES = b"".join(b"*.%s filter=lfs diff=lfs merge=lfs -text\n" % end for end in (b"bin", b"safetensors"))


@dataclasses.dataclass(frozen=True)
class Entry:
    path: str
    oid: str
    size: int
    folder: bool = False
    # Of the object that an LFS pointer names: its sha256 and size.
    lfs: tuple = None


class Repo:
    def __init__(self, folder, kind, name):
        self.folder, self.kind, self.name = folder, kind, name
        self.lock = threading.Lock()

    def git(self, *arguments, data=None, check=True):
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, input=data, capture_output=True, check=check, timeout=60)

    def commit_of(self, revision):
        parse = ["rev-parse", "-q", "--verify", "--end-of-options", revision + "^{commit}"]
        named = self.git(*parse, check=False)
        if named.returncode:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return named.stdout.decode().strip()

    def refs(self):
        """Full names and the commits that they stand at."""
        listed = self.git("for-each-ref", "--format=%(refname) %(objectname)").stdout.decode()
        return dict(line.split() for line in listed.splitlines())

    def tree(self, commit, under="", recursive=True):
        listing = ["ls-tree", "-z", "-l", *(["-r", "-t"] if recursive else []), commit]
        if under:
            listing += ["--", under.rstrip("/") + "/"]
        entries = []
        for line in self.git(*listing).stdout.decode().split("\0")[:-1]:
            head, path = line.split("\t", 1)
            _, kind, oid, size = head.split()
            folder = kind == "tree"
            entries.append(Entry(path, oid, 0 if folder else int(size), folder))
        return self._with_pointers(entries)

    def _with_pointers(self, entries):
        small = [entry for entry in entries if not entry.folder and 100 < entry.size < 200]
        named = "".join(entry.oid + "\n" for entry in small).encode()
        rest = self.git("cat-file", "--batch", data=named).stdout if small else b""
        found = {}
        for entry in small:
            head, _, rest = rest.partition(b"\n")
            pointer = POINTER.fullmatch(rest[: entry.size])
            if pointer:
                found[entry.path] = (pointer[1].decode(), int(pointer[2]))
            rest = rest[entry.size + 1 :]
        return [dataclasses.replace(entry, lfs=found.get(entry.path)) for entry in entries]

    def entry(self, commit, path):
        for entry in self.tree(commit):
            if entry.path == path and not entry.folder:
                return entry
        raise Refused(404, "Entry not found", "EntryNotFound", commit)

    def blob(self, oid):
        return self.git("cat-file", "blob", oid).stdout

    def commit(self, ref, message, files, deleted=(), parent=None):
        """One commit on `ref`: `files` are paths and bytes. Answers its id."""
        text = message.encode()
        lines = [b"commit %s\n" % ref.encode()]
        lines += [b"committer hub <hub@example.org> 1700000000 +0000\ndata %d\n%s\n" % (len(text), text)]
        with self.lock:
            from_ref = parent or self.refs().get(ref)
            if from_ref:
                lines.append(b"from %s\n" % from_ref.encode())
            lines += [b"D %s\n" % path.rstrip("/").encode() for path in deleted]
            for path, data in files.items():
                lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
            self.git("fast-import", "--quiet", "--force", data=b"".join(lines))
        return self.commit_of(ref)


class Repos:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.objects = self.root / "lfs"
        self.objects.mkdir(parents=True, exist_ok=True)
        self._open = {}
        self._lock = threading.Lock()

    def _folder(self, kind, name):
        parts = name.split("/")
        if len(parts) != 2 or not all(NAME.fullmatch(part) for part in parts):
            raise Refused(400, f"{name}: a repo is named owner/name")
        return self.root / kind / parts[0] / (parts[1] + ".git")

    def find(self, kind, name):
        folder = self._folder(kind, name)
        with self._lock:
            if not folder.is_dir():
                raise Refused(404, "Repository not found", "RepoNotFound")
            return self._open.setdefault(folder, Repo(folder, kind, name))

    def create(self, kind, name, private=False, gated=False):
        """A repo with its first commit, as a hub makes it; None if it was there."""
        folder = self._folder(kind, name)
        with self._lock:
            if folder.exists():
                return None
            folder.mkdir(parents=True)
            repo = self._open[folder] = Repo(folder, kind, name)
            repo.git("init", "-q", "--bare", "-b", "main")
            # No user of the web server is known here; the doors decide who pushes.
            repo.git("config", "http.receivepack", "true")
            repo.git("config", "hub.private", str(private).lower())
            repo.git("config", "hub.gated", str(gated).lower())
        repo.commit("refs/heads/main", "initial commit", {".gitattributes": ATTRIBUTES})
        return repo

    def object_path(self, oid):
        if not re.fullmatch(r"[0-9a-f]{64}", oid):
            raise Refused(422, "oid: must be a sha256 in hex")
        return self.objects / oid
