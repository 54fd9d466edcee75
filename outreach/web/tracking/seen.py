"""What a request for a picture or a link says: whose token it carries, and the event that is written of it.

Pure, and so remembered by `Tracker`: in aggregate a whole campaign has a few tokens, and the world a few programs.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from outreach.core.vocabulary import EventKind
from outreach.delivery import tokens
from outreach.delivery.tokens import Token, TokenKind
from outreach.events.record import Happening
from outreach.events.verdict import judge

#: Headers that a request is judged by; servers give names in lower case.
JUDGED: Final = frozenset({b"user-agent", b"purpose", b"sec-purpose", b"x-moz"})
#: Octets of one that are looked at, since they are remembered.
LONGEST_TOLD: Final = 1024

_KINDS: Final = {TokenKind.OPEN: EventKind.OPENED, TokenKind.CLICK: EventKind.CLICKED}


class Seen(NamedTuple):
    """A request with a token of ours."""

    token: Token
    #: What every such request makes happen: each one `again`.
    happening: Happening

    @property
    def is_honeypot(self) -> bool:
        return self.happening.link == tokens.HONEYPOT


def see(text: str, kind: TokenKind, method: str, told: tuple[tuple[bytes, bytes], ...], is_hosted: bool) -> Seen | None:  # noqa: FBT001 -- the key of a memory, given by place
    """Read the token and judge who asks by the `JUDGED` headers that were told; None for a token that is not ours."""
    token = tokens.read(text, kind)
    if token is None:
        return None
    link = token.link if kind == TokenKind.CLICK else None
    judgement = judge(
        _KINDS[kind],
        method=method,
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in told},
        is_hosted=is_hosted,
        is_honeypot=link == tokens.HONEYPOT,
    )
    happening = Happening(
        kind=_KINDS[kind],
        run=token.run,
        delivery=token.delivery,
        channel=token.channel,
        language=token.language,
        link=link,
        verdict=judgement.verdict,
        reason=judgement.reason,
        source="pixel" if link is None else "redirect",
    )
    return Seen(token, happening)
