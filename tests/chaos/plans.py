"""The plan of a round: how many people, rooms and functions, and which weather."""

from dataclasses import dataclass, replace
from typing import Self

from chatclient.settings import Settings
from tests.chaos.chance import Chance
from tests.chaos.faults import Faults

PEOPLE = ("ada", "bob", "cyd", "dee", "eve", "fay", "gus", "hal")
ADMIN = "rhea"
LOBBY = "lobby"
MOMENTS = 90  # a connection that lives so long is handed over while a round lasts
ROOMS = (LOBBY, "tea", "cake", "den", "attic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Times are in seconds.

    Attributes:
        calm: nothing fails, but connections end (properly), calls take long and pages are short:
            then every entry must arrive by itself, and presence be right without being asked for.
        people: each with the number of their devices.
        rooms: the public rooms, with how likely a person is to be there.
        busy: the mean pause between two actions of a device.
        duration: how long there is load, and faults.
        exclusive: whether a function handles one event at a time; else there are `instances`.
        skew: how far clocks are off, either way.
        direct_fanout: rooms of more connections go by way of the queue.
        max_deliveries: how often a delivery is tried by way of the queue.
        moderated: whether somebody bans people.
        last_words: whether something is said in every room when the faults are over.
    """

    calm: bool
    faults: Faults
    people: dict[str, int]
    rooms: dict[str, float]
    busy: float
    duration: float
    exclusive: bool
    instances: int
    skew: float
    lease: int
    heartbeat: int
    lifetime: int
    presence_limit: int
    last_words: bool
    direct_fanout: int
    max_deliveries: int
    moderated: bool

    @classmethod
    def draw(cls, chance: Chance, faults: Faults) -> Self:
        """Draw a plan; one in four is calm."""
        calm = chance.happens(0.25)
        people = PEOPLE[: 3 + chance.below(len(PEOPLE) - 2)]
        kick, slow = chance.pick((0.0, 0.02, 0.08)), chance.pick((0.0, 0.05, 0.1))
        only = Faults.only(kick=kick, slow=slow, short_page=0.1, unprocessed=0.2)
        only = replace(only, entry_failed=0.1, job_twice=0.1)
        scaled = faults.scaled(chance.pick((0.3, 1.0, 1.0, 2.0)))
        return cls(
            calm=calm,
            faults=only if calm else scaled,
            people={name: 1 + chance.happens(0.3) for name in people},
            rooms={room: chance.pick((0.3, 0.6, 1.0)) for room in ROOMS[: 2 + chance.below(4)]},
            busy=chance.pick((0.3, 0.6) if calm else (0.5, 1.0, 3.0)),
            duration=chance.between(30, 90),
            exclusive=chance.happens(0.7),
            instances=1 + chance.below(4),
            skew=0.0 if calm else 0.5,
            lease=60,
            heartbeat=600 if calm else 30,
            lifetime=chance.pick((40, MOMENTS, 6600)),
            presence_limit=100 if calm else chance.pick((3, 5, 100)),
            last_words=chance.happens(0.5),
            direct_fanout=chance.pick((0, 2, 5, 250)),
            max_deliveries=chance.pick((2, 6)),
            moderated=chance.happens(0.6) and not calm,
        )

    def client(self, chance: Chance) -> Settings:
        """Draw the settings of a client."""
        return Settings(
            initial=chance.pick((0, 5, 50)),
            page=chance.pick((3, 20)),
            keep=chance.pick((30, 2000)),
            # A calm round takes it as a failure if an entry has to be asked for.
            hole_wait=8.0 if self.calm else 1.0,
        )
