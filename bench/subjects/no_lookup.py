"""The service without the intake's lookup: what finding covered events costs where all events are new (ADR 0033)."""

import sys
from collections.abc import Collection, Mapping

from worker.aws.records import Records
from worker.cli import main
from worker.record import Known


async def _nothing(_: Records, __: Collection[str]) -> Mapping[str, Known]:
    return {}


if __name__ == "__main__":
    type.__setattr__(Records, "look", _nothing)
    sys.exit(main(["run"]))
