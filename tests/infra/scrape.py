"""What the scrape configurations say."""

import re

from tests.support.tools import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"


def refresh_seconds(name: str) -> list[int]:
    """How often each discovery of a configuration looks."""
    found = re.findall(r"refresh_interval: (\d+)([sm])", (PROMETHEUS / name).read_text())
    return [int(number) * {"s": 1, "m": 60}[unit] for number, unit in found]
