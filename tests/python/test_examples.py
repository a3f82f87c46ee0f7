"""The programs of examples/, as their page says that they are run, against `tokenward dev`."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "ci" / "examples"
PROGRAMS = {
    "python": [sys.executable, str(ROOT / "examples" / "python" / "mint_check_revoke.py")],
    "rust": [str(TARGET / "mint_check_revoke")],
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_an_example_prints_what_its_page_says(language, dev):
    settings = {
        "TOKENWARD_CREDENTIAL_FILE": dev["credential_file"],
        "TOKENWARD_ISSUER": dev["issuer"],
        "TOKENWARD_VERIFIER": dev["verifier"],
    }
    done = subprocess.run(PROGRAMS[language], env=os.environ | settings, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    page = (ROOT / "examples" / "README.md").read_text()
    [told] = re.findall(r"(?s)```console\n(minted.*?)```", page)
    assert re.sub(r"token \d+", "token N", done.stdout) == re.sub(r"token \d+", "token N", told)
