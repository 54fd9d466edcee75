"""What a DKIM signature costs: CPU microseconds a message, RSA-2048 and Ed25519 each, beside dkimpy in the same run.

Ours is to cost no more than a third of dkimpy's for RSA, and less for Ed25519; the message is the one of `rendering`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from channels.base import Message
from channels.dkim import SIGNED, Signer
from channels.mime import assemble

ROUNDS: Final = 5
#: Messages a round: ours, and dkimpy's.
MESSAGES: Final = 400
PEER_MESSAGES: Final = 20
#: Most that ours may cost of what dkimpy does.
LIMITS: Final = {"rsa": 0.34, "ed25519": 1.0}
TEXT: Final = "От днес документите се подават от вкъщи, за дванадесет минути и без такса.\n\n" * 12


def main() -> int:
    raw = assemble(
        Message(
            id="1-1",
            to="ivan@example.bg",
            subject="Новата е-услуга вече е онлайн",
            text=TEXT,
            html=f"<html><body>{TEXT}</body></html>",
            sender="Новини <news@example.org>",
            message_id="1-1.0123456789abcdef@example.org",
            headers=(
                ("List-Unsubscribe", "<https://news.example.org/u/token>"),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ),
        )
    )
    figures: dict[str, Any] = {"bytes": len(raw)}
    for kind, settings in fresh_keys().items():
        figures[kind] = _beside_dkimpy(kind, settings, raw)
    both = signer_of({name: value for settings in fresh_keys().values() for name, value in settings.items()})
    figures["both"] = {"us": _cost(lambda: both.sign(raw), MESSAGES)}
    print(json.dumps(figures, indent=1))
    return 0 if all(figures[kind]["share_of_dkimpy"] <= limit for kind, limit in LIMITS.items()) else 1


def fresh_keys() -> dict[str, dict[str, str]]:
    """Kind of key -> the settings of an account with a new one."""
    made: dict[str, RSAPrivateKey | Ed25519PrivateKey] = {
        "rsa": generate_private_key(public_exponent=65537, key_size=2048),
        "ed25519": Ed25519PrivateKey.generate(),
    }
    return {
        kind: {
            f"dkim_{kind}_selector": kind,
            f"dkim_{kind}_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        }
        for kind, key in made.items()
    }


def signer_of(settings: dict[str, str]) -> Signer:
    signer = Signer.of({"sender": "news@example.org", **settings})
    assert signer is not None  # noqa: S101 -- it has keys
    return signer


def _beside_dkimpy(kind: str, settings: dict[str, str], raw: bytes) -> dict[str, float]:
    signer = signer_of(settings)
    private = signer.keys[0].private
    if kind == "ed25519":
        octets = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        key, algorithm = b64encode(octets), b"ed25519-sha256"
    else:
        key, algorithm = settings[f"dkim_{kind}_key"].encode(), b"rsa-sha256"
    ours = _cost(lambda: signer.sign(raw), MESSAGES)
    peer = _cost(lambda: _sign_by_dkimpy(raw, key, algorithm), PEER_MESSAGES)
    bare = _cost(lambda: signer.keys[0].sign(raw[:1000]), MESSAGES)
    return {
        "us": ours,
        "of_it_the_bare_signature_us": bare,
        "dkimpy_us": peer,
        "share_of_dkimpy": round(ours / peer, 3),
    }


def _sign_by_dkimpy(raw: bytes, key: bytes, algorithm: bytes) -> None:
    dkim.sign(
        raw,
        b"s",
        b"example.org",
        key,
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=[name.lower() for name in SIGNED],
        signature_algorithm=algorithm,
    )


def _cost(sign: Callable[[], object], count: int) -> float:
    """CPU microseconds a message: the median of some rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(count):
            sign()
        found.append((time.process_time() - began) / count * 1e6)
    return round(statistics.median(found), 1)


if __name__ == "__main__":
    sys.exit(main())
