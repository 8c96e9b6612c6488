"""Reads analytics conversations (`FILE…`) into the models of Genesys Cloud's official SDK, and prints them as JSON.

What the models do not know is missing in the output: fields, and words that the API does not have. In a process of its
own, because importing the SDK starts threads and changes the logging of the whole process.
"""

import json
import sys
from pathlib import Path
from typing import Any

import PureCloudPlatformClientV2 as sdk  # type: ignore[import-untyped]  # noqa: N813


class _Answer:
    """As much of an HTTP answer as the SDK reads."""

    def __init__(self, data: str) -> None:
        self.data = data

    def getheader(self, _: str) -> str:
        return "application/json"


def main(files: list[str]) -> list[dict[str, Any]]:
    """Of each file: the document as the SDK would send it again, and the metrics that the SDK does not know."""
    client = sdk.api_client.ApiClient()
    answers = []
    for file in files:
        read = client.deserialize(_Answer(Path(file).read_text()), "AnalyticsConversationWithoutAttributes")
        names = [metric.name for part in read.participants for one in part.sessions for metric in one.metrics or []]
        unknown = [name for name in names if not _is_metric(name)]
        answers.append({"document": client.sanitize_for_serialization(read), "unknown_metrics": unknown})
    return answers


def _is_metric(name: str) -> bool:
    """The details' own model takes any name; the one of the metrics' topic lists them."""
    record = sdk.ConversationMetricsTopicConversationMetricRecord()
    record.metric = name
    return bool(record.metric == name)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))  # noqa: T201
