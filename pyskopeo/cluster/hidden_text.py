"""A secret on its way to a worker."""

from __future__ import annotations


class HiddenText:
    """Holds a text that neither ``repr`` nor ``str`` shows: Dask writes the arguments of functions into its logs."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "HiddenText()"

    def reveal(self) -> str:
        """Return the text."""
        return self._text
