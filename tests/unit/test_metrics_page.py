"""The page about metrics says what the code does."""

import re

from tools.metrics_page import metrics_page
from worker.errors import ERROR_NAMES


def test_the_page_explains_every_outcome() -> None:
    explained = set(re.findall(r"^\| `([\w.]+)` \|", metrics_page().partition("## What the outcomes")[2], re.MULTILINE))
    assert explained == ERROR_NAMES | {"succeeded", "abandoned"}
