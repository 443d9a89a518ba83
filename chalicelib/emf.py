"""Metrics as lines of the log that CloudWatch reads numbers from: the embedded metric format."""

import json
import logging
import sys
from collections.abc import Callable, Mapping

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)

from chalicelib.correlation import correlation_id
from chalicelib.telemetry import Metric

logger = logging.getLogger(__name__)

NAMESPACE = "DynamoWave"
_TIMES = {Metric.FAN_OUT_TIME}
_BANDS = {0: "0", 10: "1-10", 100: "11-100", 1000: "101-1000", 10_000: "1001-10000"}
_BEYOND = ">10000"


class PowertoolsTelemetry:
    """Telemetry that writes one line for each call, with the time of the call.

    The values are metrics of the namespace DynamoWave by `Stage`, and with `recipients` also by
    `Stage` and `RoomSize`: each pair of those is a metric of its own to CloudWatch, and to its
    bill. The correlation id stands beside them, to be searched for.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

    Args:
        stage: The dimension `Stage`.
        write: Takes a line, its end included; the standard output, if it is not given.
    """

    def __init__(self, stage: str, *, write: Callable[[str], object] | None = None) -> None:
        self._stage = stage
        self._write = write or _write

    def record(self, values: Mapping[Metric, float], *, recipients: int | None = None) -> None:
        """Write the values; what cannot be written is lost, and that is logged."""
        try:
            if values:
                self._write(self._line(values, recipients))
        except Exception:  # whatever it is, the chat goes on without its metrics
            logger.exception("metrics were lost")

    def _line(self, values: Mapping[Metric, float], recipients: int | None) -> str:
        # One for each call: Metrics, which Powertools has for it, shares its state among threads.
        provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="")
        provider.add_dimension("Stage", self._stage)
        if recipients is not None:
            provider.add_dimensions(Stage=self._stage, RoomSize=_band(recipients))
        for metric, value in values.items():
            provider.add_metric(metric.value, _unit(metric), value)
        if (identifier := correlation_id()) is not None:
            provider.add_metadata("correlation_id", identifier)
        return json.dumps(provider.serialize_metric_set(), allow_nan=False) + "\n"


def _band(recipients: int) -> str:
    return next((name for most, name in _BANDS.items() if recipients <= most), _BEYOND)


def _unit(metric: Metric) -> MetricUnit:
    return MetricUnit.Milliseconds if metric in _TIMES else MetricUnit.Count


def _write(line: str) -> None:
    # In one piece, where print would write the end apart; and to what stands there by now.
    sys.stdout.write(line)
