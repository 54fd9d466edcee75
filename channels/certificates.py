"""Certificates that are trusted beside the system's own: of mail servers within one's own authority."""

from __future__ import annotations

import ssl


def trust_besides(context: ssl.SSLContext, certificates: str) -> None:
    """Have the context trust these too; they are in PEM form, and '' is none.

    Raises:
        ssl.SSLError: they are no certificates.
    """
    if not certificates.strip():
        return
    try:
        context.load_verify_locations(cadata=f"{certificates.strip()}\n")  # OpenSSL wants the line end
    except (TypeError, ValueError) as err:  # what the standard library says of letters outside of ASCII
        raise ssl.SSLError(f"These are no certificates: {err}") from err
