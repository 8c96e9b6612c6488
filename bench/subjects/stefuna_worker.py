"""`stefuna` with the recipe's second handler; `config` is what its command is started with."""

import os
from typing import Any

from stefuna import Worker

from bench.subjects import work

config = {
    "activity_arn": os.environ.get("ACTIVITY_ARN"),
    "processes": int(os.environ.get("STEFUNA_PROCESSES", "2")),
    "healthcheck": None,
    "worker": f"{__name__}.Activity",
    "loglevel": "warning",
}


class Activity(Worker):  # type: ignore[misc]  # the library has no types
    """One per process."""

    def run_task(self, task_token: str, input_data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return work.process_interaction(input_data)
