"""What is taken from the details: a function of the user's adds attributes to the item."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from worker.errors import AttemptError, Invalid
from worker.extensions.loading import load_function, place_of
from worker.ports import Details, DetailsSource

Transform = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Gets the details document of one interaction as Genesys Cloud answered it, and returns attributes for its item.

Values are JSON's: None, bool, int, float, str, lists, and dicts with str keys; Decimal too. It runs on the event loop,
so it may neither wait nor take long. It may raise an error of worker.errors: NotReady to be asked again later.
"""


@dataclass(frozen=True, slots=True)
class NamedTransform:
    """A function and the name by which the setting knows it."""

    name: str
    function: Transform


def load_transform(name: str) -> NamedTransform:
    """The function that DETAILS_TRANSFORM names. Raises SettingsError."""
    return NamedTransform(name, load_function("DETAILS_TRANSFORM", name))


class TransformedDetails:
    """A `ports.DetailsSource` that adds what the function returns to the details of another source."""

    def __init__(self, source: DetailsSource, transform: NamedTransform) -> None:
        self._source = source
        self._name = transform.name
        self._transform = transform.function

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:
        """As ports.DetailsSource.fetch; Invalid when the function fails, or the error of worker.errors it raises."""
        details = await self._source.fetch(interaction_id, alone=alone)
        return details if isinstance(details, AttemptError) else self._with_attributes(details)

    def _with_attributes(self, details: Details) -> Details | AttemptError:
        try:
            attributes = self._transform(details.document)
        except AttemptError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a function of the user's may raise anything
            return Invalid(f"DETAILS_TRANSFORM {self._name}: {place_of(error)}")
        if not isinstance(attributes, Mapping):
            return Invalid(f"DETAILS_TRANSFORM {self._name}: returned {type(attributes).__name__}, not a mapping")
        return replace(details, attributes={**details.attributes, **attributes})
