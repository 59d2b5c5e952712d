"""The key that signs this server's anchors and exports: Ed25519, made at the first start, in the data folder and
readable by its owner alone. The public half is what an auditor is given once.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rollout.core.errors import StoreUnavailable
from rollout.stores.disk import write_once

KEY_FILE = "audit-key.pem"


class SigningKey:
    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @property
    def public(self) -> str:
        """32 bytes as hex."""
        return self._private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def signing_key(folder: Path) -> SigningKey:
    """The one in the data folder, made where there is none. Raises StoreUnavailable for a file that is no such key, and
    OSError."""
    path = folder / KEY_FILE
    if not path.exists():
        write_once(path, _new_key())
    return read_key(path)


def read_key(path: Path) -> SigningKey:
    """Raises StoreUnavailable, and OSError."""
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise StoreUnavailable(f"{path} is not a private key", "restore it from a backup") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise StoreUnavailable(f"{path} is not an Ed25519 key", "restore it from a backup")
    return SigningKey(private)


def proves(public: str, message: bytes, signature: str) -> bool:
    """Whether the holder of the key signed this."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
