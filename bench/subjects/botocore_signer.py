"""The service with botocore's own signer: what the one-pass signer is worth (ADR 0031)."""

import sys

from worker.aws import signing
from worker.cli import main


def _step_aside() -> bool:
    """The answer where the two signers do not agree."""
    return False


if __name__ == "__main__":
    signing.__dict__["_agrees_with_botocore"] = _step_aside
    sys.exit(main(["run"]))
