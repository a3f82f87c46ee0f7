"""The ready-made settings of deploy/, filled in for a test."""

import re

from children import ROOT

DEPLOY = ROOT / "deploy"


def render(path, strip=True, **values):
    """Every @NAME@ replaced, none left. Without `strip`, the lines that take the credential away go."""
    text = (DEPLOY / path).read_text()
    if not strip:
        kept = [line for line in text.splitlines(True) if not re.search(r"#\s*strip$", line.rstrip())]
        assert len(kept) < len(text.splitlines()), f"{path} strips nothing"
        text = "".join(kept)
    # Comments name placeholders too.
    text = re.sub(r"@([A-Z_]+)@", lambda found: str(values[found[1]]), text)
    return text
