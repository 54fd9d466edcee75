"""Keys derived from the installation's secret: encryption at rest, address digests, token signatures.

One HKDF (RFC 5869) label for each purpose, so that no key serves two.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
from typing import Any

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


@functools.lru_cache(maxsize=32)
def derived_key(purpose: str, secret: str | None = None) -> bytes:
    """32 bytes for one purpose."""
    material = (secret or settings.SECRET_KEY).encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"outreach/{purpose}".encode()).derive(material)


def _box() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derived_key("accounts")))


def seal(values: dict[str, Any]) -> bytes:
    """Encrypt a dictionary of secrets (Fernet: AES-128-CBC with HMAC-SHA-256)."""
    return _box().encrypt(json.dumps(values).encode())


def unseal(sealed: bytes | memoryview) -> dict[str, Any]:
    """Decrypt what `seal` made; b'' is an empty dictionary.

    Raises:
        cryptography.fernet.InvalidToken: the installation's key is not the one it was sealed with.
    """
    if not sealed:
        return {}
    values: dict[str, Any] = json.loads(_box().decrypt(bytes(sealed)))
    return values


def address_digest(channel: str, normalised: str) -> bytes:
    """The suppression list's key of an address: HMAC-SHA-256, so that the list holds no addresses."""
    return hmac.digest(derived_key("addresses"), f"{channel}:{normalised}".encode(), hashlib.sha256)
