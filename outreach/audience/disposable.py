"""Mail domains that give anybody an address for minutes. As known on 2026-11-27; those under them count, too."""

from __future__ import annotations

from typing import Final

DOMAINS: Final = frozenset(
    (
        "10minutemail.com",
        "20minutemail.com",
        "burnermail.io",
        "discard.email",
        "discardmail.com",
        "dispostable.com",
        "emailondeck.com",
        "fakeinbox.com",
        "getairmail.com",
        "getnada.com",
        "grr.la",
        "guerrillamail.com",
        "guerrillamail.net",
        "guerrillamail.org",
        "guerrillamailblock.com",
        "harakirimail.com",
        "inboxbear.com",
        "mailcatch.com",
        "maildrop.cc",
        "mailinator.com",
        "mailinator.net",
        "mailnesia.com",
        "mailnull.com",
        "mailsac.com",
        "mintemail.com",
        "mohmal.com",
        "moakt.com",
        "mytemp.email",
        "nada.email",
        "pokemail.net",
        "sharklasers.com",
        "spam4.me",
        "spamgourmet.com",
        "temp-mail.org",
        "tempail.com",
        "tempinbox.com",
        "tempmail.com",
        "tempmailo.com",
        "tempr.email",
        "throwawaymail.com",
        "trashmail.com",
        "trashmail.de",
        "trashmail.net",
        "yopmail.com",
        "yopmail.fr",
        "yopmail.net",
    )
)


def is_disposable(normalised: str) -> bool:
    """Whether the e-mail address is at one of the domains, or below it."""
    parts = normalised.rpartition("@")[2].split(".")
    return any(".".join(parts[place:]) in DOMAINS for place in range(len(parts) - 1))
