"""What the settings of each concern have in common."""

from collections.abc import Iterator

from pydantic import BaseModel


class Concern(BaseModel):
    """Settings that belong together; `Settings` inherits from all of them."""

    def contradictions(self) -> Iterator[str]:
        """A line for each combination of valid values that cannot be had, with the names of all variables.

        Those who override it yield from `super()` as well, so that every concern's lines are told at once.
        """
        yield from ()
