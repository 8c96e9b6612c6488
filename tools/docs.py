"""Writes the generated parts of the documentation: `make docs`. The tests compare them with what this would write."""

import runpy
from pathlib import Path

from tools.metrics_page import metrics_page
from worker.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- settings: written by `make docs` -->", "<!-- end of settings -->"
PICTURE = ROOT / "docs/images/architecture.py"


def settings_table() -> str:
    """Every setting with its default and meaning, in the order of the settings class."""
    rows = ["| name | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        value = field.get_default(call_default_factory=False)
        if field.is_required():
            default = "**required**"
        elif value is None:
            default = ""
        else:
            text = ",".join(sorted(value, reverse=True)) if isinstance(value, frozenset) else str(value)
            default = f"`{text}`"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def outputs() -> dict[Path, str]:
    """The whole text of each file that has a generated part."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, _, rest = readme.partition(BEGIN)
    after = rest.partition(END)[2]
    return {
        ROOT / "README.md": f"{before}{BEGIN}\n{settings_table()}\n{END}{after}",
        ROOT / "docs/metrics.md": metrics_page(),
        PICTURE.with_suffix(".svg"): runpy.run_path(str(PICTURE))["drawing"](),
    }


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
