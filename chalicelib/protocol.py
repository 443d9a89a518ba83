"""The wire protocol: text of a frame to a command, event to the bytes of a frame; pure."""

import re
from typing import Any, NoReturn, TypeVar

from msgspec import Struct, ValidationError, convert, json

from chalicelib import strictjson
from chalicelib.commands import COMMANDS, Command, Publication, rule
from chalicelib.errors import BadRequest, ChatError, TooLarge, UnknownAction
from chalicelib.events import Event
from chalicelib.models import LARGEST_INTEGER

# API Gateway meters each started 32 KB, and closes a connection that sends a larger frame.
MAX_FRAME_BYTES = 32 * 1024
_MAX_ID_LENGTH = 64
_S = TypeVar("_S", bound=Struct)


def encode(event: Event) -> bytes:
    """Return the frame.

    At most 32 KB: settings, the checks on messages and the division into pages see to that. Only a
    page of one message, very long or with very many reactions, is longer, at most 128 KB.
    """
    return json.encode(event)


def decode(text: object, *, limit: int = MAX_FRAME_BYTES) -> Command:
    """Read a frame; a field that is null counts as absent.

    Raises:
        BadRequest: not JSON (see strictjson), not an object, or a field that is wrong.
        UnknownAction: an action that is not in COMMANDS.
        TooLarge: more than `limit` bytes, or a message that would not fit into a push.
            Each carries the id and action of the frame where they could be read.
    """
    if not isinstance(text, str):
        raise BadRequest(field="the frame", problem="must be text")
    fields, problem = strictjson.loads(text)
    try:
        if len(text.encode(errors="surrogatepass")) > limit:
            raise TooLarge(field="the frame", limit=limit)
        if problem:
            raise problem
        return _command(fields)
    except ChatError as error:
        error.regarding(**_recovered(fields))
        raise


def decode_publication(payload: object) -> Publication:
    """Read the payload of a direct invocation.

    Raises:
        BadRequest, TooLarge: as for a frame.
    """
    if not isinstance(payload, dict):
        raise BadRequest(field="the payload", problem="must be an object")
    # Only our own fields: the names of others may hold what msgspec cannot read.
    names = Publication.__struct_fields__
    fields = {name: payload[name] for name in names if name in payload}
    return _convert(fields, Publication, action="publish")


def _command(fields: object) -> Command:
    if not isinstance(fields, dict):
        raise BadRequest(field="the frame", problem="must be a JSON object")
    if fields.get("id") is not None and not _is_frame_id(fields["id"]):
        problem = "must be a string of at most 64 characters or an integer within 2**53"
        raise BadRequest(field="id", problem=problem)
    command = _command_type(fields.get("action"))
    return _convert(fields, command, action=command.__struct_config__.tag)


def _command_type(action: object) -> type[Command]:
    if action is None:
        raise BadRequest(field="action", problem="is missing")
    if not isinstance(action, str):
        raise BadRequest(field="action", problem="must be a string")
    if action not in COMMANDS:
        raise UnknownAction(known=COMMANDS)
    return COMMANDS[action]


def _convert(fields: dict[str, Any], to: type[_S], *, action: object) -> _S:
    try:
        return convert({name: value for name, value in fields.items() if value is not None}, to)
    except ValidationError as error:
        _explain(error, action)


def _explain(error: ValidationError, action: object) -> NoReturn:
    """Turn msgspec's "Expected `str`, got `int` - at `$.room`" into a sentence for people."""
    missing = re.search(r"missing required field `(\w+)`", str(error))
    if missing:
        raise BadRequest(field=missing[1], problem="is missing") from error
    field = re.search(r"\$\.(\w+)", str(error))
    name = field[1] if field else "the frame"
    raise BadRequest(field=name, problem=rule(action, name)) from error


def _is_frame_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_ID_LENGTH and strictjson.is_unicode(value)
    return type(value) is int and abs(value) <= LARGEST_INTEGER


def _recovered(fields: object) -> dict[str, Any]:
    """Return the id and action of a frame that may be wrong everywhere else."""
    known = fields if isinstance(fields, dict) else {}
    frame_id, action = known.get("id"), known.get("action")
    return {
        "id": frame_id if _is_frame_id(frame_id) else None,
        "action": action if isinstance(action, str) and _is_frame_id(action) else None,
    }
