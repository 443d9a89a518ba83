"""Changes of what people are in a room, on condition that they are what they were."""

from collections.abc import Callable

import pytest

from chalicelib.database import Database
from chalicelib.memberships import MembershipRepository
from chalicelib.models import RoomName, UserName
from chalicelib.places import OutdatedError, Place, Room
from chalicelib.positions import Position
from chalicelib.rooms import RoomRepository
from chalicelib.standings import Ruling, Standings
from tests.unit.fakes import ALICE, BOB, CAROL, MEMBERSHIPS_TABLE, Clock, joined

TEA = RoomName("tea")
CHANGES: dict[str, Callable[[Standings, Ruling], None]] = {
    "remove": lambda them, ruling: them.remove(ruling),
    "ban": lambda them, ruling: them.ban(ruling),
    "appoint": lambda them, ruling: them.appoint(ruling, "moderator"),
    "hand over": lambda them, ruling: them.hand_over(ruling),
}


@pytest.fixture
def standings(database: Database, clock: Clock) -> Standings:
    return Standings(database, table=MEMBERSHIPS_TABLE, clock=clock)


@pytest.fixture
def tea(database: Database, memberships: MembershipRepository, clock: Clock) -> None:
    """A public room of alice's, with bob as a member."""
    rooms = RoomRepository(database, table=MEMBERSHIPS_TABLE, clock=clock)
    rooms.create(TEA, Room("public", ALICE), ALICE)
    joined(memberships, TEA, BOB, Position(7))


def ruling(
    memberships: MembershipRepository, user: UserName = BOB, *, admin: bool = False
) -> Ruling:
    return Ruling(memberships.places([TEA], ALICE, user)[0], ALICE, user, admin)


def roles(memberships: MembershipRepository) -> dict[str, str]:
    place: Place = memberships.places([TEA], ALICE, BOB, CAROL)[0]
    found: dict[str, str] = {user: it.role for user, it in place.members.items()}
    found.update(dict.fromkeys(place.banned, "banned"))
    return found


@pytest.mark.clause("G6", "G9")
@pytest.mark.usefixtures("tea")
@pytest.mark.parametrize(
    ("change", "after"),
    [
        ("remove", {"alice": "owner"}),
        ("ban", {"alice": "owner", "bob": "banned"}),
        ("appoint", {"alice": "owner", "bob": "moderator"}),
        ("hand over", {"alice": "moderator", "bob": "owner"}),
    ],
)
def test_a_change_is_made_once(
    change: str, after: dict[str, str], standings: Standings, memberships: MembershipRepository
) -> None:
    decided = ruling(memberships)

    CHANGES[change](standings, decided)

    assert roles(memberships) == after
    with pytest.raises(OutdatedError):
        CHANGES[change](standings, decided)
    assert roles(memberships) == after


@pytest.mark.clause("G9")
@pytest.mark.usefixtures("tea")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("meanwhile", CHANGES)
def test_nothing_is_changed_after_the_other_or_the_ruler_has_changed(
    change: str, meanwhile: str, standings: Standings, memberships: MembershipRepository
) -> None:
    decided = ruling(memberships)
    CHANGES[meanwhile](standings, ruling(memberships))
    before = roles(memberships)

    with pytest.raises(OutdatedError):
        CHANGES[change](standings, decided)

    assert roles(memberships) == before


@pytest.mark.clause("G6")
@pytest.mark.usefixtures("tea")
def test_an_admins_right_is_no_role_that_could_be_lost(
    standings: Standings, memberships: MembershipRepository
) -> None:
    decided = ruling(memberships, admin=True)
    standings.leave(memberships.places([TEA], ALICE)[0], ALICE)

    standings.appoint(decided, "moderator")

    assert roles(memberships) == {"bob": "moderator"}


@pytest.mark.clause("G5")
@pytest.mark.usefixtures("tea")
@pytest.mark.parametrize("user", [BOB, CAROL])
def test_a_ban_takes_the_place_of_a_membership_or_of_none(
    user: UserName, standings: Standings, memberships: MembershipRepository
) -> None:
    standings.ban(ruling(memberships, user))
    banned = roles(memberships)
    joined(memberships, TEA, user, Position(9))

    assert banned[user] == roles(memberships)[user] == "banned"
    assert memberships.of(user, after=None, limit=9) == ([], False)
    assert memberships.read(TEA, user, Position(9), guest=False) is None


@pytest.mark.clause("G5")
@pytest.mark.usefixtures("tea")
@pytest.mark.parametrize("forgotten", [False, True])
def test_the_ban_of_a_guest_does_not_expire_with_the_membership(
    standings: Standings, memberships: MembershipRepository, clock: Clock, *, forgotten: bool
) -> None:
    joined(memberships, TEA, CAROL, Position(), guest=True)
    clock.now += 604_800 if forgotten else 0
    standings.ban(ruling(memberships, CAROL))

    clock.now += 604_800

    assert roles(memberships)["carol"] == "banned"


@pytest.mark.clause("G5")
@pytest.mark.usefixtures("tea")
def test_an_unban_leaves_nothing(standings: Standings, memberships: MembershipRepository) -> None:
    standings.ban(ruling(memberships))

    standings.remove(ruling(memberships))

    assert roles(memberships) == {"alice": "owner"}


@pytest.mark.clause("G6")
@pytest.mark.usefixtures("tea")
def test_a_new_role_keeps_the_marker(
    standings: Standings, memberships: MembershipRepository
) -> None:
    standings.appoint(ruling(memberships), "moderator")

    assert memberships.places([TEA], BOB)[0].members[BOB].read == Position(7)


@pytest.mark.clause("G8")
@pytest.mark.usefixtures("tea")
def test_whether_an_owner_is_alone(
    standings: Standings, memberships: MembershipRepository, clock: Clock
) -> None:
    alone = [memberships.others(TEA, ALICE)]
    standings.ban(ruling(memberships))
    alone.append(memberships.others(TEA, ALICE))
    joined(memberships, TEA, CAROL, Position(), guest=True)
    alone.append(memberships.others(TEA, ALICE))
    clock.now += 604_800
    alone.append(memberships.others(TEA, ALICE))

    assert alone == [True, False, True, False]


@pytest.mark.clause("G9")
@pytest.mark.parametrize("banned", [False, True])
@pytest.mark.usefixtures("tea")
def test_the_check_for_a_connection_fails_for_who_is_banned(
    standings: Standings,
    memberships: MembershipRepository,
    database: Database,
    *,
    banned: bool,
) -> None:
    if banned:
        standings.ban(ruling(memberships))
    failed = False

    try:
        database.transact([memberships.ban_check(TEA, user) for user in (BOB, CAROL)])
    except Exception:  # noqa: BLE001 - which one is not the point
        failed = True

    assert failed == banned
