"""From `module:function` to the function."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from worker.settings import Problem, SettingsError

_LONGEST_TEXT = 1000
"""Characters of a cause or a log's detail; Step Functions takes causes of 32,768."""


def load_function(setting: str, name: str) -> Callable[..., Any]:
    """The function that `setting` names as `module:function`.

    Raises SettingsError, so that a wrong name stops the service at its start and not at the first interaction.
    """
    module_name, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        if f"{module_name}.".startswith(f"{error.name}."):
            problem = Problem(setting, f"there is no module {error.name}", "put the directory it is in on PYTHONPATH")
        else:
            problem = Problem(setting, f"module {module_name} needs {error.name}, which is not installed")
        raise SettingsError(problem) from error
    except AttributeError as error:
        raise SettingsError(Problem(setting, f"module {module_name} has no {attribute}")) from error
    except (Exception, SystemExit) as error:
        raise SettingsError(Problem(setting, f"module {module_name} fails to load: {type(error).__name__}")) from error
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise SettingsError(Problem(setting, f"{name} is not a plain function (it may not be async either)"))
    return function  # type: ignore[no-any-return]  # whatever it returns is checked where it is called


def place_of(error: BaseException) -> str:
    """Type and code place of an exception; its text may quote the data, so it stays out. Raises nothing."""
    try:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f" at {trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else ""
        return _short(f"{type(error).__name__}{where}")
    except BaseException:  # noqa: BLE001 - classes of the user's may raise whatever they are asked
        return "an exception that cannot be described"


def text_of(error: BaseException) -> str:
    """What an exception says that was raised to be read: short, and of characters that every service takes."""
    return _short(str(error))


def _short(text: str) -> str:
    return str.__str__(text)[:_LONGEST_TEXT].encode(errors="replace").decode()
