"""The `resume` command, as cli.Command has it."""

from worker.commands.pause import add_resume_arguments as add_arguments
from worker.commands.pause import run

__all__ = ["add_arguments", "run"]
