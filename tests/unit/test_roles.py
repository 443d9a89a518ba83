"""Who may do what to whom, as a table: role by right by target."""

import pytest

from chalicelib.roles import Right, Role, acting_role, may, refusal

RIGHTS: list[Right] = ["invite", "kick", "ban", "unban", "setrole", "slowmode"]
ROLES: list[Role | None] = ["owner", "moderator", "member", None]

EVERYONE: set[Role | None] = {"owner", "moderator", "member", None}
OTHERS: set[Role | None] = EVERYONE - {"owner"}
MEMBERS: set[Role | None] = {"member", None}


def allowed(right: Right, role: Role | None) -> set[Role | None]:
    """Return to whom a role may do something in a private room, as docs/protocol.md says."""
    if role == "owner":
        return OTHERS if right in {"kick", "ban"} else EVERYONE
    if role == "moderator" and right != "setrole":
        return MEMBERS if right in {"kick", "ban"} else EVERYONE
    return set()


@pytest.mark.clause("G4", "G6")
@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("role", ROLES)
def test_who_may_do_what_in_a_private_room(right: Right, role: Role | None) -> None:
    found = {target for target in ROLES if may(role, right, target=target, private=True)}

    assert found == allowed(right, role)


@pytest.mark.clause("G4", "G6")
@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("role", ROLES)
def test_in_a_public_room_members_may_invite_and_the_rest_is_the_same(
    right: Right, role: Role | None
) -> None:
    found = {target for target in ROLES if may(role, right, target=target, private=False)}

    members_invite = (role, right) == ("member", "invite")
    assert found == (EVERYONE if members_invite else allowed(right, role))


@pytest.mark.clause("G6")
@pytest.mark.parametrize("role", ROLES)
def test_admins_act_as_owners_in_public_rooms_only(role: Role | None) -> None:
    assert acting_role(role, admin=True, private=False) == "owner"
    assert acting_role(role, admin=True, private=True) == role
    assert acting_role(role, admin=False, private=False) == role


@pytest.mark.clause("G3", "G6")
@pytest.mark.parametrize("target", ROLES)
@pytest.mark.parametrize("role", ["member", None])
def test_who_may_not_is_not_told_about_others(role: Role | None, target: Role | None) -> None:
    told = refusal(role, "kick", target=target, private=True)

    assert told == "only its owner and its moderators may do that in a room"


@pytest.mark.parametrize(
    ("right", "private", "who"),
    [
        ("setrole", True, "owner"),
        ("invite", True, "owner and its moderators"),
        ("invite", False, "members"),
        ("slowmode", False, "owner and its moderators"),
    ],
)
def test_who_may_not_is_told_who_may(right: Right, private: bool, who: str) -> None:  # noqa: FBT001
    assert refusal(None, right, target=None, private=private) == (
        f"only its {who} may do that in a room"
    )


def test_who_may_not_do_so_to_this_one_is_told_that() -> None:
    told = refusal("moderator", "ban", target="moderator", private=True)

    assert told == "nobody of your role may ban its moderator"
