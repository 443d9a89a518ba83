"""Reading the variables of an environment, each with its own rule."""

from collections.abc import Mapping, Sequence

_TRUTH = {"true": True, "false": False}


class SettingsError(ValueError):
    """A variable of the environment is missing or wrong; the text names it and what is allowed."""


class Variables:
    """The variables of the functions; every method raises SettingsError for a wrong value."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, *names: str, default: str = "") -> str:
        """Read the first of these that is set, and not to nothing."""
        return next(filter(None, map(self._environ.get, names)), default)

    def table(self, name: str) -> str:
        """Read the name of a table, which has to be there."""
        value = self.text(name)
        if not value:
            raise SettingsError(f"{name} is not set: it must name a DynamoDB table")
        return value

    def queue(self, name: str) -> str:
        """Read the name of a queue, which has to be there."""
        value = self.text(name)
        if not value:
            raise SettingsError(f"{name} is not set: it must name an SQS queue")
        return value

    def __contains__(self, name: str) -> bool:
        return name in self._environ

    def boolean(self, name: str, *, default: bool) -> bool:
        """Read true or false."""
        value = self._environ.get(name)
        if value is None:
            return default
        if value.lower() not in _TRUTH:
            raise SettingsError(f"{name} is {value!r}: it must be true or false")
        return _TRUTH[value.lower()]

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """Read one of several words, in capitals or not."""
        value = self._environ.get(name, default)
        if value.upper() not in allowed:
            raise SettingsError(f"{name} is {value!r}: it must be one of {', '.join(allowed)}")
        return value.upper()

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Read an integer from `low` to `high`."""
        value = self._environ.get(name)
        if value is None:
            return default
        # Bounded before int(): int() itself refuses very long numbers with an error of its own.
        digits = value.isascii() and value.isdigit() and len(value) <= len(str(high))
        if not digits or not low <= int(value) <= high:
            raise SettingsError(f"{name} is {value!r}: it must be an integer from {low} to {high}")
        return int(value)

    def url(self, name: str, *schemes: str) -> str | None:
        """Read a URL with one of these schemes; the slash at its end is dropped."""
        value = self.text(name)
        if not value:
            return None
        if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            allowed = " or ".join(f"{scheme}://" for scheme in schemes)
            raise SettingsError(f"{name} is {value!r}: it must be a URL that starts with {allowed}")
        return value.rstrip("/")

    def words(self, name: str) -> list[str]:
        """Read a list, its entries apart by commas or blanks."""
        return self.text(name).replace(",", " ").split()
