"""Policies of acceptance for the tests."""

from pathlib import Path
from typing import Any

import yaml

from oncorobust.settings.policy import Policy, load_policy

POLICY: dict[str, Any] = {
    "name": "Lung CT, site A",
    "datasets": ["lidc"],
    "model": "adversarial",
    "level": 0.95,
    "previous": "clean",
    "min_patients": 20,
    "requirements": [{"metric": "accuracy", "at_least": 0.6}],
}


def policy_of(*requirements: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return POLICY | {"requirements": list(requirements) or POLICY["requirements"]} | changed


def write_policy(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def read(tmp_path: Path, *requirements: dict[str, Any], **changed: Any) -> Policy:
    return load_policy(write_policy(tmp_path / "policy.yaml", policy_of(*requirements, **changed)))
