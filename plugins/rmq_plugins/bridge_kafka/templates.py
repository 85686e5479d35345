"""Texts with placeholders: what a topic, or a key, is called on the other side."""

from collections.abc import Mapping

_BEGIN = "${"


class Template:
    """``ValueError`` names a placeholder that isn't among ``names``."""

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        self._parts: list[tuple[str, str]] = []  # literal text, then the name of a placeholder, "" for none
        rest = text
        while rest:
            before, found, after = rest.partition(_BEGIN)
            name, closed, rest = after.partition("}")
            if found and (not closed or name not in names):
                known = " and ".join(f"${{{one}}}" for one in names)
                raise ValueError(f"{text!r}: the placeholders are {known}")
            self._parts.append((before, name if found else ""))

    @property
    def is_fixed(self) -> bool:
        """Whether it has no placeholder."""
        return not any(name for _, name in self._parts)

    def filled(self, values: Mapping[str, str]) -> str:
        """The text with its placeholders filled in."""
        return "".join(before + (values[name] if name else "") for before, name in self._parts)
