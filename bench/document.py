"""docs/performance.md: prose by hand, and parts between marks that benchmarks write."""

from pathlib import Path


class DocumentError(Exception):
    """The document has no such part, or its marks are damaged."""


class Document:
    """A Markdown file with parts between `<!-- name -->` and `<!-- /name -->`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def folder(self) -> Path:
        """Where the document is."""
        return self._path.parent

    def part(self, name: str) -> str:
        """Return what stands in a part. Raises DocumentError."""
        return self._split(name)[1].strip("\n")

    def replace(self, name: str, content: str) -> None:
        """Put something else into a part, and leave all the rest as it is; or, if that fails, all.

        Raises:
            DocumentError: see `part`.
            OSError, UnicodeError: it cannot be written.
        """
        before, _, after = self._split(name)
        new = f"{before}{_begin(name)}\n{content}\n\n{_end(name)}{after}"
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.write_bytes(new.encode())
        draft.replace(self._path)

    def _split(self, name: str) -> tuple[str, str, str]:
        text = self._path.read_text(encoding="utf-8")
        if text.count(_begin(name)) != 1 or text.count(_end(name)) != 1:
            raise DocumentError(f"{self._path.name} needs {_begin(name)} and {_end(name)} once")
        before, _, rest = text.partition(_begin(name))
        part, found, after = rest.partition(_end(name))
        if not found:
            raise DocumentError(f"{self._path.name} has {_end(name)} before {_begin(name)}")
        return before, part, after


def _begin(name: str) -> str:
    return f"<!-- {name} -->"


def _end(name: str) -> str:
    return f"<!-- /{name} -->"
