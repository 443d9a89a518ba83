"""Where frames for a connection are posted."""

from typing import Any

import pytest

from chalicelib.origins import Origin
from chalicelib.settings import Settings


def event(**context: Any) -> dict[str, Any]:
    return {
        "requestContext": {
            "connectionId": "JC1dgf9yoAMCK-g=",
            "apiId": "a1b2c3",
            "stage": "api",
            "domainName": "chat.example.com",
            **context,
        }
    }


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("eu-west-1", "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/api"),
        ("us-gov-west-1", "https://a1b2c3.execute-api.us-gov-west-1.amazonaws.com/api"),
        ("cn-north-1", "https://a1b2c3.execute-api.cn-north-1.amazonaws.com.cn/api"),
    ],
)
def test_the_endpoint_is_execute_api_even_behind_a_custom_domain(
    region: str, endpoint: str
) -> None:
    settings = Settings(
        connections_table="c",
        messages_table="m",
        memberships_table="r",
        accounts_table="a",
        deliveries_queue="d",
        dead_letter_queue="u",
        region=region,
    )

    origin = Origin.of(event(), settings)

    assert origin.connection_id == "JC1dgf9yoAMCK-g="
    assert origin.endpoint == endpoint


def test_a_setting_points_to_an_emulator() -> None:
    settings = Settings(
        connections_table="c",
        messages_table="m",
        memberships_table="r",
        accounts_table="a",
        deliveries_queue="d",
        dead_letter_queue="u",
        management_endpoint="http://127.0.0.1:8000/api",
    )

    assert Origin.of(event(), settings).endpoint == "http://127.0.0.1:8000/api"
