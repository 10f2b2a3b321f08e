"""Check advisories and licences of all installed dependencies; exit status 1 if there is a problem.

    python maintenance/check_dependencies.py [--list] [--path SITE-PACKAGES]

The dependencies, including those of the package's extras, follow from the metadata of the installed packages. Each
licence must be listed in reviewed.toml, and no version may be affected by an advisory listed there. That file is only
as recent as its date. If `pip-audit` is installed and its service answers, it is asked too; the script says how many
packages it looked up, because pip-audit reports success even if it looked up none.
"""

import argparse
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PACKAGE = "oncorobust"
REVIEWED = Path(__file__).with_name("reviewed.toml")
_AUDIT_SECONDS = 180


@dataclass(frozen=True)
class Installed:
    """A package as described by its metadata. licence: empty if the metadata have none."""

    name: str
    version: str
    licence: str
    requires: tuple[str, ...]


def read_installed(path: str | None) -> dict[str, Installed]:
    """Return all packages in a folder, or in this environment, by name."""
    found = (_read(one) for one in (distributions(path=[path]) if path else distributions()))
    return {one.name: one for one in found}


def needed(installed: Mapping[str, Installed], *, package: str = PACKAGE) -> dict[str, Installed]:
    """Return the installed dependencies of a package and its extras, by name, including the package itself."""
    extras = frozenset({"test", "compressed", "docs", "download", "oracle"})
    waiting, seen = [(package, extras)], set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen or name not in installed:
            continue
        seen.add((name, wanted))
        for text in installed[name].requires:
            one = Requirement(text)
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in wanted | {""}):
                waiting.append((canonicalize_name(one.name), frozenset(one.extras)))
    return {name: installed[name] for name, _ in sorted(seen)}


def advisory_faults(packages: Iterable[Installed], advisories: Iterable[Mapping[str, str]]) -> list[str]:
    """Return one sentence for each advisory that affects an installed version and is not accepted."""
    by_name = {one.name: one for one in packages}
    return [
        f"{one['package']} {by_name[one['package']].version}: {one['id']}, fixed in {one.get('fixed', 'no version')}"
        for one in advisories
        if one["package"] in by_name
        and not one.get("accepted")
        and ("fixed" not in one or Version(by_name[one["package"]].version) < Version(one["fixed"]))
    ]


def licence_faults(packages: Iterable[Installed], rules: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each package whose licence is not in the reviewed list."""
    return [
        f"{one.name} {one.version}: licence {licence_of(one, rules) or 'unknown'}"
        for one in packages
        if one.name not in rules["accepted"] and not _is_allowed(licence_of(one, rules), rules["allowed"])
    ]


def licence_of(one: Installed, rules: Mapping[str, Any]) -> str:
    """Return a package's licence under its name in the rules."""
    found = rules["read"].get(one.name, one.licence)
    return " OR ".join(rules["names"].get(part, part) for part in found.split(" OR "))


def _is_allowed(expression: str, allowed: Iterable[str]) -> bool:
    """Return whether an expression is satisfied by allowed licences: one of an OR, all of an AND."""
    if expression.startswith("(") and expression.endswith(")"):
        expression = expression[1:-1]
    for word, combine in ((" AND ", all), (" OR ", any)):
        if word in expression and (word == " AND " or "(" not in expression):
            return combine(_is_allowed(part.strip(), allowed) for part in expression.split(word))
    return expression in allowed


def audit(path: str | None) -> tuple[list[str], str]:
    """Run pip-audit; return one sentence for each vulnerability, and a sentence on how many packages it looked up."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    command += ["--path", path] if path else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_AUDIT_SECONDS)
        entries = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return [], "pip-audit gave no answer: it is not installed, or its service cannot be reached"
    asked = [one for one in entries if "skip_reason" not in one]
    faults = [
        f"{one['name']} {one['version']}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or 'no version'}"
        for one in asked
        for fault in one["vulns"]
    ]
    return faults, f"pip-audit looked up {len(asked)} of {len(entries)} packages"


def _read(one: Distribution) -> Installed:
    fields: Any = one.metadata
    stated = [
        text.rpartition("::")[2].strip() for text in fields.get_all("Classifier", []) if text.startswith("License")
    ]
    whole = (fields.get("License") or "").strip().partition("\n")[0]
    return Installed(
        name=canonicalize_name(fields["Name"]),
        version=one.version,
        licence=_canonical(fields.get("License-Expression") or " OR ".join(stated) or whole),
        requires=tuple(one.requires or ()),
    )


def _canonical(licence: str) -> str:
    try:
        return str(canonicalize_license_expression(licence))
    except InvalidLicenseExpression:
        return licence


def _unaccepted(faults: list[str], advisories: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the vulnerabilities found by pip-audit that are not accepted in reviewed.toml."""
    accepted = {one["package"] for one in advisories if one.get("accepted")}
    return [fault for fault in faults if canonicalize_name(fault.split()[0]) not in accepted]


def main() -> None:
    """Print a summary of the check and every problem found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="name every package, its version and its licence")
    parser.add_argument("--path", help="a site-packages folder (default: this environment)")
    parser.add_argument("--offline", action="store_true", help="do not ask pip-audit")
    arguments = parser.parse_args()
    rules = tomllib.loads(REVIEWED.read_text(encoding="utf-8"))
    packages = needed(read_installed(arguments.path))
    if arguments.list:
        for one in packages.values():
            print(f"{one.name:40} {one.version:18} {licence_of(one, rules['licences']) or 'unknown'}")
    found, said = ([], "pip-audit was not asked") if arguments.offline else audit(arguments.path)
    faults = advisory_faults(packages.values(), rules["advisories"])
    faults += [fault for fault in _unaccepted(found, rules["advisories"]) if fault.split()[0] in packages]
    faults += licence_faults(packages.values(), rules["licences"])
    count = f"{len(packages)} packages, {len(rules['advisories'])} advisories reviewed on {rules['reviewed']}"
    print(f"dependencies: {count}; {said}")
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
