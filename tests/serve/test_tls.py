"""A service with a certificate speaks https alone, and the command line reaches it."""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from servekit import PATIENCE, Service, eventually


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Signed by itself, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rollout")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    pem.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, private


def test_with_a_certificate_it_speaks_https_alone(
    service_in: Callable[..., Service], tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, private = certificate
    service = service_in(tmp_path / "site", tls_cert=pem, tls_key=private, admin_bind="127.0.0.1:0").start()
    assert f"ready on https://{service.address}" in service.printed()
    trusting = ssl.create_default_context(cafile=str(pem))
    connection = http.client.HTTPSConnection(service.address, timeout=PATIENCE, context=trusting)
    connection.request("GET", "/v1/flags/payments?user_id=u-1")
    assert json.loads(connection.getresponse().read())["flag"] == "payments"
    (stream,) = eventually(lambda: streams_told(connection))
    connection.close()
    assert stream["url"].startswith("https://")
    with urlopen(stream["url"], timeout=PATIENCE, context=trusting) as events:
        assert events.readline().startswith(b"retry: ")
    (metrics,) = re.findall(r"metrics on (https://\S+)", service.printed())
    with urlopen(f"{metrics}/metrics", timeout=PATIENCE, context=trusting) as counted:
        assert b"rollout_revision" in counted.read()
    with pytest.raises((OSError, http.client.HTTPException)):
        service.ask("/healthz")
    url = f"https://{service.address}"
    assert service.command("status", "--url", url).returncode == 1
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    result = service.command("status", "--url", url)
    assert result.returncode == 0, result.stderr


def streams_told(connection: http.client.HTTPSConnection) -> list[dict]:
    connection.request("POST", "/ofrep/v1/evaluate/flags", "{}", {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read()).get("eventStreams", [])
