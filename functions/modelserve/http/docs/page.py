"""The page to try the model: one file, which asks nothing of another origin, and runs and shows nothing but what is in it."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Final


def hashes(text: str, tag: str) -> str:
    parts: list[str] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" for part in parts)


def policy(text: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {hashes(text, 'script')}",
            f"style-src {hashes(text, 'style')}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


PAGE: Final = Path(__file__).with_name("page.html").read_text("utf-8")
PAGE_HEADERS: Final = {
    "content-security-policy": policy(PAGE),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}
