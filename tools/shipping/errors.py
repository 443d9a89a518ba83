"""The one error of the commands that ship the project."""


class ShippingError(Exception):
    """What was asked for cannot be done; the text is one line for the user, with what to do."""
