"""Who may vouch for nodes: the system's authorities where an address asks for TLS, nobody where none does."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from client.http_form import HttpSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _one_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system knows one authority, by SSL_CERT_FILE, as documented."""
    file = tmp_path / "authority.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority"]
    subprocess.run([*make, "-keyout", tmp_path / "key.pem", "-out", file], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))


def context_for(*urls: str) -> ssl.SSLContext:
    """What both kinds of connections are made with."""
    settings = HttpSettings(urls, None)
    assert settings.calls["verify"] is settings.streams["verify"]
    context: ssl.SSLContext = settings.calls["verify"]
    return context


@pytest.mark.parametrize("urls", [("https://a:1",), ("http://a:1", "HTTPS://b:2")])
def test_one_https_address_is_enough_to_load_the_authorities(urls: tuple[str, ...]) -> None:
    """And they alone are believed."""
    context = context_for(*urls)
    assert context.cert_store_stats()["x509_ca"] == 1
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_without_https_none_is_loaded_and_nobody_is_believed() -> None:
    """To load them takes a tenth of a command's time; should TLS be spoken all the same, it fails."""
    context = context_for("http://a:1", "http://https:2")
    assert context.cert_store_stats()["x509"] == 0
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
