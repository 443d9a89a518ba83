"""Chance: all that happens at random in a round, from its seed, the same on every Python."""

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """Draws, built on the one method whose sequence Python promises to keep.

    https://docs.python.org/3/library/random.html#notes-on-reproducibility
    """

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed).random  # noqa: S311 - not a secret
        self._seed = seed

    def fork(self, name: str) -> "Chance":
        """Make one of its own for a part, whose draws the draws of others do not move."""
        return Chance(f"{self._seed}/{name}")

    def happens(self, probability: float) -> bool:
        """Tell whether something of this probability happens."""
        return probability > 0 and self.random() < probability

    def between(self, low: float, high: float) -> float:
        """Return a number of a range."""
        return low + (high - low) * self.random()

    def below(self, limit: int) -> int:
        """Return a number from 0 up to a limit."""
        return int(self.random() * limit)

    def pick(self, them: Sequence[T]) -> T:
        """Return one of several."""
        return them[self.below(len(them))]

    def weighted(self, weights: Mapping[str, float]) -> str:
        """Return one of several names, in proportion to their weights."""
        place = self.random() * sum(weights.values())
        for name, weight in weights.items():
            place -= weight
            if place < 0:
                return name
        return list(weights)[-1]

    def shuffled(self, them: Sequence[T]) -> list[T]:
        """Return them in another order."""
        left = list(them)
        return [left.pop(self.below(len(left))) for _ in them]
