"""Text of others on a terminal: shown, and never obeyed."""

import unicodedata

_HARMFUL = ("C", "Zl", "Zp")
"""Unicode's controls (C0, DEL, C1), formats (bidirectional, zero width), surrogates, unassigned ones and breaks."""


def printable(text: str, longest: int | None = None, *, keep: str = "") -> str:
    """`text` without control characters, which could move the cursor or hide a line; cut to `longest` characters."""
    clean = "".join(
        c if c in keep or not unicodedata.category(c).startswith(_HARMFUL) else f"\\x{ord(c):02x}" for c in text
    )
    return clean if longest is None or len(clean) <= longest else clean[: longest - 1] + "…"
