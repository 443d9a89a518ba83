"""What the commands of bench take: a parser that shows defaults, and numbers between bounds."""

import argparse
from collections.abc import Callable
from typing import Any


def new_parser(module: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of `python -m <module>`, whose help shows what is chosen by default."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )


def within(least: float, most: float, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the type of an argument: a number of some kind, both bounds included."""

    def parse(text: str) -> Any:
        found = kind(text)
        if not least <= found <= most:
            raise argparse.ArgumentTypeError(f"expected {least:g} to {most:g}")
        return found

    parse.__name__ = kind.__name__  # argparse names it where the text is no number
    return parse
