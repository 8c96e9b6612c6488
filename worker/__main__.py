"""`python -m worker`.

Python looks for each module in the working directory first then: a file there that is called like one of ours or of a
library's would run. So the directory is taken off the path before anything else is imported.
"""

import os  # the interpreter has imported these two already
import sys

working_directory = None
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 -- pathlib is not imported yet
    working_directory = sys.path.pop(0)

import signal  # noqa: E402


def _end_before_the_start(number: int, _: object) -> None:  # noqa: ARG001 -- the shape of a signal handler
    # Nothing has begun that would have to end in order, and an exception amid the imports does not always get through.
    os._exit(0)


if sys.argv[1:2] in ([], ["run"], ["--env-file"]) or sys.argv[1].startswith("--env-file="):
    # The service's own handlers come with its event loop, after a second or more of imports. Until then a first process
    # of a container would not get SIGTERM at all, and would start to work for as long as its stop timeout lasts.
    signal.signal(signal.SIGTERM, _end_before_the_start)

from worker.cli import main  # noqa: E402

sys.exit(main(users_modules=working_directory))
