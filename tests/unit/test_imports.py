"""Tests share code through tests/support, never through one another."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def imported(file: Path) -> set[str]:
    """Every module, and every name of a module, that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def test_nothing_is_imported_from_a_test_or_a_conftest() -> None:
    files = [file for folder in ("tests", "bench", "chaos", "tools") for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in imported(file)
        if name.startswith(("tests.", "chaos.", "bench."))
        and any(part.startswith("test_") or part == "conftest" for part in name.split("."))
    ]
    assert wrong == []
