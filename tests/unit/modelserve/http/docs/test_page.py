from __future__ import annotations

import base64
import hashlib
import re

from modelserve.http.docs.page import PAGE, PAGE_HEADERS


def test_the_policy_allows_the_one_script_and_the_one_style_and_nothing_of_another_origin() -> None:
    policy = dict(part.split(" ", 1) for part in PAGE_HEADERS["content-security-policy"].split("; "))
    for tag in ("script", "style"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["connect-src"] == "'self'"


def test_the_page_names_no_other_address_and_is_small() -> None:
    assert set(re.findall(r"https?://[\w./]+", PAGE)) == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
    assert len(PAGE.splitlines()) <= 300
    assert len(PAGE) < 24_000
