"""The ready-made settings of deploy/, filled in for a test."""

import re

from children import ROOT

DEPLOY = ROOT / "deploy"


def render(path, strip=True, tls=None, **values):
    """Every @NAME@ replaced, none left. Without `strip`, the lines that take the credential away go. `tls`: the
    @TLS_…@ by their names, where verifier and issuer speak TLS.
    """
    text = (DEPLOY / path).read_text()
    if tls is None:
        text = re.sub(r"^[ \t]*#tls .*\n", "", text, flags=re.M)
        text = re.sub(r"[ \t]*# plain$", "", text, flags=re.M)
    else:
        text = re.sub(r"^.*# plain\n", "", text, flags=re.M).replace("#tls ", "")
    values |= {f"TLS_{name}": (tls or {}).get(name, "") for name in ("NAME", "CA", "CERTIFICATE", "KEY")}
    if not strip:
        kept = [line for line in text.splitlines(True) if not re.search(r"#\s*strip$", line.rstrip())]
        assert len(kept) < len(text.splitlines()), f"{path} strips nothing"
        text = "".join(kept)
    # Comments name placeholders too.
    text = re.sub(r"@([A-Z_]+)@", lambda found: str(values[found[1]]), text)
    return text
