"""Addresses of a broker: whose they are, and with which password."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit


def user_of(url: str) -> str | None:
    """The user that an address names; None when it names none."""
    user = urlsplit(url).username
    return None if user is None else unquote(user)


def with_password(url: str, password: str) -> str:
    """The same address with this password, in whatever characters, for the user that it names.

    Raises ValueError when it names none.
    """
    parts = urlsplit(url)
    if not parts.username:
        raise ValueError("the address names no user: write amqp://user@host:5672/%2F, and the password apart from it")
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}:{quote(password, safe='')}@{host}").geturl()
