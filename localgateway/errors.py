"""Errors of localgateway.

LocalGatewayError      str() is one clear line for the terminal; the command exits with 2
├── AuthorizerError    the authorizer of $connect: not there, or its answer cannot be used
├── EngineError        the AWS emulator behind the app: not there, or refuses the template
├── PortError          the address cannot be listened on
├── ProjectError       the Chalice project: no app.py, no WebSocket handlers, unknown stage, ...
├── ScheduleError      an expression that EventBridge would refuse (schedules.py)
└── SourceUnavailable  a queue or stream that is not there, for now (polling.py)
"""


class LocalGatewayError(Exception):
    """Something the user can mend; the message says what."""


class AuthorizerError(LocalGatewayError):
    """The authorizer of $connect cannot be had as it is configured, or its answer not be used."""


class EngineError(LocalGatewayError):
    """The AWS emulator behind the app is not there, or refuses the template."""


class PortError(LocalGatewayError):
    """The address cannot be listened on."""


class ProjectError(LocalGatewayError):
    """The Chalice project cannot be served."""
