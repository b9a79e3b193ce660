"""One of some words, of which a refusal names the nearest."""

from __future__ import annotations

import click

from texup.errors import nearest


class Word(click.Choice[str]):
    """An option that takes one of some words."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        """Return what is wrong with a word that is none of them."""
        return f"{value!r} is unknown; {nearest(str(value), self.choices)}"
