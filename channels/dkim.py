"""DKIM signatures: RFC 6376 with rsa-sha256, RFC 8463 with ed25519-sha256, relaxed/relaxed.

They are made over the bytes that leave, before dots are stuffed. A message is canonicalised and its body hashed once,
however many keys sign it; a key is loaded once a session.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Self

import idna
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from channels.base import AccountProblem
from channels.mailboxes import address_of

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

#: What is signed, where it is there, in the order of `h=`.
SIGNED: Final = (
    b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Reply-To", b"MIME-Version", b"Content-Type",
    b"Content-Transfer-Encoding", b"List-Unsubscribe", b"List-Unsubscribe-Post",
)  # fmt: skip
#: Named once more than they are there: a second one, which a program might show instead, breaks the signature.
OVERSIGNED: Final = frozenset({b"From", b"Subject"})
#: The settings of each kind of key: (its word in the DNS record, selector, PEM).
KEY_SETTINGS: Final = (
    ("rsa", "dkim_rsa_selector", "dkim_rsa_key"),
    ("ed25519", "dkim_ed25519_selector", "dkim_ed25519_key"),
)
#: RFC 8301, 3.2: what signers may use, and what verifiers have to understand.
_RSA_BITS: Final = (1024, 4096)
_SELECTOR: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*")
_NAMES: Final = {name.lower(): name for name in SIGNED}
_SPACES: Final = re.compile(rb"[ \t]{2,}|\t")
_ENDS_IN_SPACE: Final = re.compile(rb"[ \t]+(?=\r\n|\Z)")
_LINE: Final = 72


class BadKey(ValueError):
    """It is no private key that signs; the message says why, for the person who pasted it."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """One private key and the name under which its public half is published."""

    #: `rsa` or `ed25519`.
    kind: str
    domain: bytes
    selector: bytes
    private: PrivateKey = field(repr=False)

    @property
    def host(self) -> str:
        """Where the DNS record stands."""
        return f"{self.selector.decode()}._domainkey.{self.domain.decode()}"

    @property
    def record(self) -> str:
        """The DNS record's text: RSA as SubjectPublicKeyInfo, Ed25519 bare (RFC 8463, 4)."""
        public = self.private.public_key()
        if isinstance(self.private, Ed25519PrivateKey):
            octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        else:
            octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k={self.kind}; p={base64.b64encode(octets).decode()}"

    def sign(self, data: bytes) -> bytes:
        """The signature of the canonical header lines."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(sha256(data).digest())
        return self.private.sign(data, PKCS1v15(), SHA256())


class Signer:
    """An account's keys: signs each message with all of them."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self.keys = keys

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self | None:
        """The signer of an account; None where it signs nothing: a key without a selector is out of use.

        Raises:
            AccountProblem: a key, or the domain, cannot be used.
        """
        wanted = [
            (kind, str(settings[selector]), str(settings[pem]))
            for kind, selector, pem in KEY_SETTINGS
            if settings.get(selector) and settings.get(pem)
        ]
        if not wanted:
            return None
        try:
            domain = domain_of(settings)
            keys = [
                Key(kind=kind, domain=domain, selector=selector.encode("ascii"), private=load_key(kind, pem))
                for kind, selector, pem in wanted
            ]
        except ValueError as err:
            raise AccountProblem(f"E-mails cannot be signed (DKIM): {err}", reason="account_problem") from err
        return cls(tuple(keys))

    def sign(self, raw: bytes, *, now: float | None = None) -> bytes:
        """The message (CRLF line ends) with its signatures in front."""
        head, _, body = raw.partition(b"\r\n\r\n")
        names, lines = signed_lines(head)
        digest = binascii.b2a_base64(sha256(canonical_body(body)).digest(), newline=False)
        at = b"%d" % int(time.time() if now is None else now)
        signatures = [_signature(key, names, lines, at, digest) for key in self.keys]
        return b"".join([*signatures, raw])


def domain_of(settings: Mapping[str, Any]) -> bytes:
    """The signing domain: the account's own setting, else that of its sender.

    Raises:
        ValueError: there is none.
    """
    given = str(settings.get("dkim_domain") or "") or address_of(str(settings.get("sender") or "")).rpartition("@")[2]
    with suppress(idna.IDNAError):
        if given:
            return idna.encode(given, uts46=True)
    raise ValueError("There is no domain to sign for.")


def is_selector(text: str) -> bool:
    """Whether it can stand in front of `._domainkey`."""
    return _SELECTOR.fullmatch(text) is not None


def load_key(kind: str, pem: str) -> PrivateKey:
    """The private key in the PEM.

    Raises:
        BadKey: it is none, has a password, is of another kind, or too short or long.
    """
    try:
        key = load_pem_private_key(pem.strip().encode(), password=None)
    except TypeError as err:
        message = "The private key has a password: save it without one."
        raise BadKey(message) from err
    except (ValueError, UnsupportedAlgorithm) as err:
        message = "This is no private key in PEM form, from -----BEGIN to -----END."
        raise BadKey(message) from err
    if kind == "ed25519" and isinstance(key, Ed25519PrivateKey):
        return key
    if kind != "rsa" or not isinstance(key, RSAPrivateKey):
        message = "This private key is of another kind."
        raise BadKey(message)
    if not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
        message = "An RSA key for DKIM has 2048 bits, at least 1024 and at most 4096."
        raise BadKey(message)
    return key


def canonical_body(body: bytes) -> bytes:
    """RFC 6376, 3.4.4: spaces run together and off the ends of lines, empty lines off the end."""
    if b"  " in body or b"\t" in body:
        body = _SPACES.sub(b" ", body)
    if b" \r\n" in body or body.endswith(b" "):
        body = _ENDS_IN_SPACE.sub(b"", body)
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""


def signed_lines(head: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """The names for `h=`, and the canonical lines that they mean, in that order (RFC 6376, 3.4.2 and 5.4.2)."""
    found: dict[bytes, list[bytes]] = {}
    for line in _unfolded(head).split(b"\r\n"):
        name, _, value = line.partition(b":")
        known = _NAMES.get(name.rstrip(b" \t").lower())
        if known is not None:
            found.setdefault(known, []).append(_canonical(known, value))
    names: list[bytes] = []
    lines: list[bytes] = []
    for name in SIGNED:
        there = found.get(name, [])
        names += [name] * (len(there) + (name in OVERSIGNED))
        lines += reversed(there)  # the last of a name is the first that a verifier takes
    return tuple(names), b"".join(lines)


def _unfolded(head: bytes) -> bytes:
    return head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")


def _canonical(name: bytes, value: bytes) -> bytes:
    if b"  " in value or b"\t" in value:
        value = _SPACES.sub(b" ", value)
    return b"%b:%b\r\n" % (name.lower(), value.strip(b" "))


def _signature(key: Key, names: tuple[bytes, ...], lines: bytes, at: bytes, body_digest: bytes) -> bytes:
    """One DKIM-Signature header with its CRLF."""
    before, between = _template(key.kind, key.domain, key.selector, names)
    written = b"".join((before, at, between, body_digest, b";\r\n b="))
    # What is signed is this header as relaxed canonicalisation has it, with an empty b= and no line end.
    canonical = b"dkim-signature:" + written[len(b"DKIM-Signature: ") :].replace(b"\r\n ", b" ")
    signature = binascii.b2a_base64(key.sign(lines + canonical), newline=False)
    folded = b"\r\n ".join([signature[start : start + _LINE] for start in range(0, len(signature), _LINE)])
    return b"%b%b\r\n" % (written, folded)


@lru_cache(maxsize=64)
def _template(kind: str, domain: bytes, selector: bytes, names: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    """What stands before the time, and between it and the body's digest: the same for all messages of one form."""
    before = b"DKIM-Signature: v=1; a=%b-sha256; c=relaxed/relaxed;\r\n d=%b; s=%b; t="
    return before % (kind.encode(), domain, selector), b";\r\n h=%b;\r\n bh=" % _folded_names(names)


def _folded_names(names: tuple[bytes, ...]) -> bytes:
    lines = [b""]
    for name in names:
        if len(lines[-1]) + len(name) > _LINE:
            lines.append(b"")
        lines[-1] += name + b":"
    return b"\r\n ".join(lines).removesuffix(b":")
