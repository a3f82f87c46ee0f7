"""Fetches packages of npm to be read, not run: no Node, and nothing of theirs is executed.

    get_npm.py LIST FOLDER

LIST has a package, its version and its integrity in each line. Each package is unpacked to
FOLDER/NAME; FOLDER is made anew when the list changed.
"""

import base64
import hashlib
import io
import os
import pathlib
import shutil
import sys
import tarfile
import urllib.request

LARGEST = 50_000_000
DEFAULT = "https://registry.npmjs.org"


def registry():
    """As npm is configured: its environment variable, then the user's file."""
    for name, value in os.environ.items():
        if name.lower() == "npm_config_registry" and value:
            return value.rstrip("/")
    settings = pathlib.Path.home() / ".npmrc"
    if settings.exists():
        for line in settings.read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "registry" and value.strip():
                return value.strip().rstrip("/")
    return DEFAULT


def fetch(package, version, integrity):
    url = f"{registry()}/{package}/-/{package.rpartition('/')[2]}-{version}.tgz"
    with urllib.request.urlopen(url, timeout=60) as answer:
        archive = answer.read(LARGEST)
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != integrity:
        sys.exit(f"{url} is {found}, not {integrity}")
    return archive


def unpack(archive, folder):
    """Plain files only, none outside of the folder."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for file in files:
            path = pathlib.PurePosixPath(file.name)
            if file.isfile() and not path.is_absolute() and ".." not in path.parts:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(files.extractfile(file).read())


def main(listed, folder):
    listed, folder = pathlib.Path(listed), pathlib.Path(folder)
    done = folder / "list.txt"
    if done.exists() and done.read_text() == listed.read_text():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for line in listed.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        package, version, integrity = line.split()
        unpack(fetch(package, version, integrity), folder / package)
    done.write_text(listed.read_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
