from typing import Any


def report(figures: dict[str, Any]) -> str:
    return ""
