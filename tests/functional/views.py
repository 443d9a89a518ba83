"""What a client makes of the frames that it received, by docs/protocol.md."""

from typing import Any, TypeAlias

Frame: TypeAlias = dict[str, Any]
LOG = {"message", "edit", "delete", "reaction"}


def merged(frames: list[Frame], known: dict[int, Frame]) -> dict[int, Frame]:
    """Return what a client has: one event a seq, the first that came."""
    events = dict(known)
    for event in events_in(frames):
        events.setdefault(event["seq"], event)
    return events


def events_in(frames: list[Frame]) -> list[Frame]:
    """Return the events of the log among frames: pushes, and those inside answers."""
    inside = [event for frame in frames for event in frame.get("events", [])]
    return [*(frame for frame in frames if frame["type"] in LOG), *inside]


def pushed(frames: list[Frame]) -> set[int]:
    """Return the seqs of the events that were pushed."""
    return {frame["seq"] for frame in frames if frame["type"] in LOG}


def folded(events: dict[int, Frame]) -> dict[int, Any]:
    """Return the messages as a client shows them that has these events (clause H2)."""
    messages: dict[int, Any] = {}
    for seq, event in sorted(events.items()):
        if event["type"] == "message":
            messages[seq] = {
                "user": event["user"],
                "text": event["message"],
                "deleted": event.get("deleted", False),
                "reactions": {key: list(them) for key, them in event.get("reactions", {}).items()},
                "changed": event.get("changed", 0),
            }
        elif (said := messages.get(event["target"])) and seq > said["changed"]:
            said["changed"] = seq
            _change(said, event)
    return messages


def seen(frames: list[Frame], user: str) -> str | None:
    """Return what a client shows of a person: by clause P1 the push with the newest time."""
    pushes = [frame for frame in frames if frame["type"] == "presence" and frame["user"] == user]
    told = [(push["at"], push["status"]) for push in pushes]
    return max(told)[1] if told else None


def _change(said: dict[str, Any], event: Frame) -> None:
    if event["type"] == "edit":
        said["text"] = event["message"]
    elif event["type"] == "delete":
        said.update(text="", deleted=True)
    elif event["removed"]:
        said["reactions"][event["emoji"]].remove(event["user"])
        if not said["reactions"][event["emoji"]]:
            del said["reactions"][event["emoji"]]
    else:
        said["reactions"].setdefault(event["emoji"], []).append(event["user"])
