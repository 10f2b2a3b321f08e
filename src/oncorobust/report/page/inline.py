"""Style sheet, scripts and Content-Security-Policy of the page, all inside its one file.

The policy forbids every request and every script but those whose SHA-256 it names
(https://www.w3.org/TR/CSP3/#grammardef-hash-source), so that markup from a user's files never runs.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from oncorobust.base.errors import InputError

TEMPLATES = "report/templates"
"""Folder of the templates, style sheets and scripts, below the package."""

STYLES = ("style.css", "clinical.css", "gallery.css", "images.css", "uplot.css", "charts.css", "trace.css")
"""Style sheets in the order of the page."""

SCRIPTS = ("page.js", "gallery.js", "images.js", "uplot.js", "charts.js", "trace.js")
"""Scripts in the order in which they run, each complete by itself."""


@dataclass(frozen=True)
class Inline:
    """What stands inside the page besides its markup: style sheet, scripts, and the policy that allows these alone."""

    style: str
    scripts: tuple[str, ...]
    policy: str


def inline(styles: Sequence[str] = STYLES, scripts: Sequence[str] = SCRIPTS) -> Inline:
    """Read the style sheets and scripts of the templates' folder, and return them with their policy."""
    found = tuple(_read(name, "</script") for name in scripts)
    return Inline("\n".join(_read(name, "</style") for name in styles), found, content_security_policy(found))


def content_security_policy(scripts: Sequence[str]) -> str:
    """Return a policy under which only these scripts run and nothing is loaded; scripts: text between the tags."""
    hashes = [b64encode(sha256(one.encode()).digest()).decode("ascii") for one in scripts]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; img-src data:; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )


def _read(name: str, end: str) -> str:
    """Return a file of the templates' folder. Raises InputError where its text would end the element around it."""
    text = files("oncorobust").joinpath(TEMPLATES, name).read_text(encoding="utf-8")
    if end in text.lower() or "<!--" in text:
        raise InputError(f"{TEMPLATES}/{name}: holds {end!r} or '<!--' (expected text that can stand inside HTML)")
    return text
