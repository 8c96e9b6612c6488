"""What is taken from the details: a function of the user's adds attributes to the item."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from worker.errors import AttemptError, Invalid, NotReady
from worker.extensions.loading import load_function, place_of, text_of
from worker.extensions.plain import UnusableValueError, copy_json, plain_attributes
from worker.extensions.threads import FunctionThreads
from worker.ports import Details, DetailsSource

Transform = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Gets the details document of one interaction as Genesys Cloud answered it, and returns attributes for its item.

Values are JSON's: None, bool, int, float, str, lists, and dicts with str keys; Decimal too. It runs in a thread, for
threads.DEADLINE_SECONDS at most. It may raise worker.errors.NotReady, to be asked again later.
"""


@dataclass(frozen=True, slots=True)
class NamedTransform:
    """A function and the name by which the setting knows it."""

    name: str
    function: Transform

    def apply(self, document: Mapping[str, Any]) -> dict[str, Any] | AttemptError:
        """The attributes that the function takes from the document, or why there are none. Raises nothing."""
        try:
            # A copy: the document is archived, and other attempts may read it at the same time.
            returned = self.function(copy_json(document))
            if not isinstance(returned, Mapping):
                return Invalid(f"DETAILS_TRANSFORM {self.name}: returned {type(returned).__name__}, not a mapping")
            # Here and not later: looking at what it returned may raise, and hang, as well.
            return plain_attributes(returned)
        except BaseException as error:  # noqa: BLE001 - the function may raise anything, SystemExit too
            return self._failure(error)

    def _failure(self, error: BaseException) -> AttemptError:
        """NotReady and Invalid speak of this interaction; the other errors would have it tried for ever."""
        try:
            if isinstance(error, NotReady):
                return NotReady(text_of(error))
            if isinstance(error, Invalid):
                return Invalid(text_of(error))
            if type(error) is UnusableValueError:
                return Invalid(f"DETAILS_TRANSFORM {self.name}: {error}")
        except BaseException:  # noqa: BLE001 - its text may raise, too
            return Invalid(f"DETAILS_TRANSFORM {self.name}: an exception that cannot be described")
        return Invalid(f"DETAILS_TRANSFORM {self.name}: {place_of(error)}")


def load_transform(name: str) -> NamedTransform:
    """The function that DETAILS_TRANSFORM names. Raises SettingsError."""
    return NamedTransform(name, load_function("DETAILS_TRANSFORM", name))


class TransformedDetails:
    """A `ports.DetailsSource` that adds what the function returns to the details of another source."""

    def __init__(self, source: DetailsSource, transform: NamedTransform, threads: FunctionThreads) -> None:
        self._source = source
        self._transform = transform
        self._threads = threads

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:
        """As ports.DetailsSource.fetch; Invalid when the function fails, or NotReady where it raises that."""
        details = await self._source.fetch(interaction_id, alone=alone)
        if isinstance(details, AttemptError):
            return details
        name = f"DETAILS_TRANSFORM {self._transform.name}"
        try:
            attributes = await self._threads.call(name, self._transform.apply, details.document)
        except TimeoutError as error:
            return Invalid(f"{name}: {error}")
        if isinstance(attributes, AttemptError):
            return attributes
        return replace(details, attributes={**details.attributes, **attributes})
