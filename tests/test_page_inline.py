"""Style, scripts and Content-Security-Policy inside the page."""

import hashlib
import html
import re
from base64 import b64decode

import pytest

from oncorobust.base.errors import InputError
from oncorobust.report.page import inline as inline_module
from oncorobust.report.page.inline import content_security_policy, inline


def test_the_policy_names_each_script_by_the_hash_of_its_text() -> None:
    # printf '%s' "alert('Hello, world.');" | openssl dgst -sha256 -binary | base64: the example of the standard
    policy = content_security_policy(["alert('Hello, world.');"])
    assert "script-src 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=';" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "script-src 'none';" in content_security_policy([])


def test_every_script_of_the_page_is_allowed_and_nothing_else() -> None:
    found = inline()
    (allowed,) = re.findall(r"script-src ([^;]*);", found.policy)
    hashes = [b64decode(one) for one in re.findall(r"'sha256-([^']+)'", allowed)]
    assert hashes == [hashlib.sha256(one.encode()).digest() for one in found.scripts]
    assert "unsafe" not in allowed
    assert html.escape(found.policy) != found.policy, "the template escapes it inside an attribute"


@pytest.mark.parametrize("text", ["'</SCRIPT>'", "<!-- x"])
def test_a_script_that_would_end_its_element_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Folder:
        def joinpath(self, *_: str) -> "Folder":
            return self

        def read_text(self, **_: str) -> str:
            return text

    monkeypatch.setattr(inline_module, "files", lambda _: Folder())
    with pytest.raises(InputError, match=r"report/templates/page\.js: holds '</script' or '<!--' \(expected text that"):
        inline(styles=(), scripts=("page.js",))
