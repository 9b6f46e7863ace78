"""What goes wrong while programs around a node are found, started or stopped."""

from __future__ import annotations


class InfrastructureError(Exception):
    """Base of all errors of this package; the message is what a person reads, without a traceback."""


class BrokerNotFoundError(InfrastructureError):
    """No RabbitMQ server is installed where it was looked for."""


class StartFailedError(InfrastructureError):
    """A program ended, or did not become ready in time; the message holds the end of its log."""


class PortInUseError(InfrastructureError):
    """A port that is needed has another owner; the message names both."""
