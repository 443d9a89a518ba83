"""Who is let in: what $connect asks for, and the Lambda authorizer in front of it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from chalicelib.errors import ChatError, Unauthorized
from chalicelib.guests import requested_key, requested_name
from chalicelib.identities import Identity, Ticket
from chalicelib.models import UserName
from chalicelib.perimeter import Perimeter

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody without an account wants in, under a name or any; `key_digest` as in Identity."""

    wanted: UserName | None
    key_digest: str | None


Admission: TypeAlias = Ticket | Visit


class NotAuthorizedError(Exception):
    """What an authorizer raises for API Gateway to answer 401: the text has to be this one.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-lambda-function-create.html
    """

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class Doorkeeper:
    """Verifies what a client shows when it connects.

    With an authorizer wired to $connect that is done there, and $connect is told the result in the
    context, which no client can write. Without one (`chalice deploy`) $connect does the same. That
    a ticket is used once only, and that its account has not logged out since, is seen to where
    the connection is registered.
    """

    def __init__(
        self,
        perimeter: Perimeter,
        *,
        verify_ticket: Callable[[str], Ticket],
        guests: bool,
    ) -> None:
        self._perimeter = perimeter
        self._verify_ticket = verify_ticket
        self._guests = guests

    def admission(self, event: Mapping[str, Any]) -> Admission:
        """Return who wants in, from a $connect event.

        Raises:
            Unauthorized: neither a good ticket, nor are guests let in.
            Forbidden: the page's origin, or the way around CloudFront.
            BadRequest: the guest's name or key is none.
        """
        context = event["requestContext"].get("authorizer") or {}
        if _KIND in context:
            return _READERS[context[_KIND]](context)
        return self._verify(event)

    def address(self, event: Mapping[str, Any]) -> str:
        """Return under which name the connections of one caller are counted."""
        source_ip = event["requestContext"].get("identity", {}).get("sourceIp", "")
        return self._perimeter.address(event.get("headers") or {}, source_ip)

    def authorize(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the policy, and the context for $connect, as an answer to API Gateway.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html

        Raises:
            NotAuthorizedError: for 401; what is refused otherwise is a policy that denies (403).
            Exception: anything else, which API Gateway answers with 500.
        """
        try:
            admission = self._verify(event)
        except Unauthorized as error:
            raise NotAuthorizedError from error
        except ChatError as error:
            if error.retryable:
                raise
            logger.info("a connection is refused: %s", error.message)
            return _policy(event, "nobody", "Deny", {})
        user = admission.identity.user if isinstance(admission, Ticket) else "guest"
        return _policy(event, user, "Allow", _context(admission))

    def _verify(self, event: Mapping[str, Any]) -> Admission:
        headers = {name.lower(): text for name, text in (event.get("headers") or {}).items()}
        self._perimeter.admit(headers)
        self._perimeter.check_origin(headers.get("origin"))
        query = event.get("queryStringParameters") or {}
        if query.get("ticket") is not None:
            return self._verify_ticket(str(query["ticket"]))
        if not self._guests:
            raise Unauthorized(reason="a ticket is missing: guests are not let in here")
        return Visit(requested_name(query.get("name")), requested_key(query.get("key")))


def _policy(
    event: Mapping[str, Any], principal: str, effect: str, context: Mapping[str, str]
) -> dict[str, Any]:
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": effect,
        "Resource": event["methodArn"],
    }
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": dict(context),
    }


# The values of the context are strings, whatever was put in.
_KIND = "admission"


def _context(admission: Admission) -> dict[str, str]:
    if isinstance(admission, Visit):
        return {
            _KIND: "visit",
            "wanted": admission.wanted or "",
            "key_digest": admission.key_digest or "",
        }
    identity = admission.identity
    return {
        _KIND: "ticket",
        "user": identity.user,
        "guest": str(identity.guest).lower(),
        "version": str(identity.version),
        "key_digest": identity.key_digest or "",
        "ticket_id": admission.id,
        "expires_at": str(admission.expires_at),
        "session_expires_at": str(admission.session_expires_at),
    }


def _visit_of(context: Mapping[str, str]) -> Visit:
    wanted = context["wanted"]
    return Visit(UserName(wanted) if wanted else None, context["key_digest"] or None)


def _ticket_of(context: Mapping[str, str]) -> Ticket:
    identity = Identity(
        user=UserName(context["user"]),
        guest=context["guest"] == "true",
        version=int(context["version"]),
        key_digest=context["key_digest"] or None,
    )
    return Ticket(
        identity=identity,
        id=context["ticket_id"],
        expires_at=int(context["expires_at"]),
        session_expires_at=int(context["session_expires_at"]),
    )


_READERS: Mapping[str, Callable[[Mapping[str, str]], Admission]] = {
    "visit": _visit_of,
    "ticket": _ticket_of,
}
