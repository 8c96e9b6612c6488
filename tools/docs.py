"""Writes the generated parts of the documentation: `make docs`. The tests compare them with what this would write."""

import runpy
from pathlib import Path

from tools import retry_figures
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


def _with_part(page: Path, begin: str, part: str, end: str) -> str:
    """The page with `part` between the two lines."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    return f"{before}{begin}\n{part}\n{end}{after}"


def outputs() -> dict[Path, str]:
    """The whole text of each file that has a generated part."""
    readme, one_event = ROOT / "README.md", ROOT / "docs/one-event.md"
    return {
        readme: _with_part(readme, BEGIN, settings_table(), END),
        one_event: _with_part(one_event, retry_figures.BEGIN, retry_figures.block(), retry_figures.END),
        ROOT / "docs/metrics.md": metrics_page(),
        PICTURE.with_suffix(".svg"): runpy.run_path(str(PICTURE))["drawing"](),
    }


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
