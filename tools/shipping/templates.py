"""CloudFormation templates: read whichever way they are written, and changed for an emulator."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from chalice.package import YAMLTemplateSerializer

from tools.shipping.errors import ShippingError

Template: TypeAlias = dict[str, Any]
# What becomes of a template before it is sent: on AWS nothing, for an emulator what it needs.
Adapt: TypeAlias = Callable[[Template], Template]


def unchanged(template: Template) -> Template:
    """Return the template as it is, which is what AWS gets."""
    return template


def read_template(path: Path) -> Template:
    """Return a template, with `!Sub` and its like in their long form.

    Raises:
        ShippingError: it cannot be read.
    """
    try:
        return dict(YAMLTemplateSerializer().load_template(path.read_text(), str(path)))
    except Exception as error:  # Chalice's parser has errors of several kinds
        raise ShippingError(f"{path} cannot be read: {error}") from error


def body(template: Template) -> str:
    """Return the template as text."""
    return json.dumps(template, default=str)
