"""How many files this process may have open: each poll is a connection, and a connection is a file."""

import contextlib
import resource


def raise_open_files_limit() -> None:
    """Raise the soft limit of open files to the hard one; without effect where the system does not let us.

    Shells and container engines often leave it at 1,024, for programs that use select().
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
