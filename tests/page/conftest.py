from __future__ import annotations

from browser import browser, tab

__all__ = ["browser", "tab"]
