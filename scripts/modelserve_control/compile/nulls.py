"""What a null text is fed as: the serving runtime holds the same constant."""

from __future__ import annotations

from typing import Final

# U+FFFF and U+FFFE are noncharacters: legal in UTF-8, and never part of a text that anyone interchanges (Unicode 23.7).
NULL_TEXT: Final = "\uffff\ufffenull"
