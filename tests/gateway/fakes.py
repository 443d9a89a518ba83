"""Fakes of what shells lend the gateway: a clock that is set, and sockets that record."""

from dataclasses import dataclass, field


@dataclass
class ManualClock:
    """Seconds since the epoch, as the test sets them."""

    now: float = 1_767_323_045.5

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class RecordingSocket:
    """Keeps what the gateway sends, and how it closes; `queued` is what the client has not read."""

    sent: list[bytes] = field(default_factory=list)
    closed: list[tuple[int, str]] = field(default_factory=list)
    queued: int = 0

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    def buffered(self) -> int:
        return self.queued


class CountingEntropy:
    """Bytes that count up, so that ids are known: `entropy.id(n)` is the n-th, from 0."""

    def __init__(self) -> None:
        self._made = 0

    def __call__(self, size: int) -> bytes:
        self._made += 1
        return (self._made - 1).to_bytes(size, "big")

    @staticmethod
    def id(number: int) -> str:
        digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        bits = number << 2  # 11 bytes are 88 bits: the last of 15 characters is padded by two
        return "".join(digits[bits >> shift & 63] for shift in range(84, -1, -6)) + "="
