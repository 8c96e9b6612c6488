"""The page about metrics says what the code does."""

import re

from tests.observability.metrics_page import PAGE, page
from worker.errors import ERROR_NAMES


def test_the_page_is_the_table_of_series() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.observability.metrics_page"


def test_the_page_explains_every_outcome() -> None:
    explained = set(re.findall(r"^\| `([\w.]+)` \|", page().partition("## What the outcomes")[2], re.MULTILINE))
    assert explained == ERROR_NAMES | {"succeeded", "abandoned"}
