"""`stepfunctions-activity-worker` with the recipe's second handler."""

import argparse
import os
from typing import Any

from stepfunctions_activity_worker import ActivityWorker

from bench.subjects import work


def process(**task: Any) -> dict[str, Any]:
    """The activity, in the library's signature."""
    return work.process_interaction(task)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--slots", type=int, default=10)
    ActivityWorker(os.environ["ACTIVITY_ARN"], process, worker_count=parser.parse_args().slots).listen()
