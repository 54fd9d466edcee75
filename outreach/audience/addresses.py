"""One form for each channel's address: what is compared, hashed and written to. Syntax alone; nothing is looked up."""

from __future__ import annotations

import re
from typing import Any, Final

import email_validator
import phonenumbers
from django.utils.translation import gettext_lazy as _

from outreach.core.errors import OutreachError
from outreach.core.vocabulary import Channel

#: Numbers written without a country are Bulgarian.
REGION: Final = "BG"
LONGEST: Final = 320

MESSAGES: Final[dict[str, Any]] = {
    "empty": _("The address is empty."),
    "too_long": _("The address is longer than 320 characters."),
    "bad_email": _("This is not an e-mail address such as name@example.org."),
    "bad_phone": _("This is not a phone number such as +359 88 812 3456."),
    "bad_handle": _("The address has spaces or control characters."),
    "unknown_channel": _("There is no such channel."),
}

#: The plain addresses that nearly everybody has: the full parser agrees with this and is twenty times slower.
_PLAIN_EMAIL: Final = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}", re.ASCII
)
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_PHONE_PUNCTUATION: Final = str.maketrans("", "", " -()./\u00a0")
#: Bulgarian mobiles as people write them: +359 88.., 00359 88.., 088..
_BULGARIAN_MOBILE: Final = re.compile(r"(?:\+359|00359|0)(8[789][0-9]{7}|98[89][0-9]{6})", re.ASCII)


class BadAddress(OutreachError):
    """The value is not an address of its channel; `reason` is a code of MESSAGES."""

    def __init__(self, reason: str, *, channel: str = "") -> None:
        super().__init__(MESSAGES[reason], reason=reason, channel=channel)
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason,)


def normalise(channel: str, value: str) -> str:
    """Turn what a person wrote into what we compare: lower case with an IDNA domain, E.164, or the trimmed handle.

    Raises:
        BadAddress: the value cannot be an address of the channel.
    """
    text = value.strip()
    if not text:
        raise BadAddress("empty", channel=channel)
    if len(text) > LONGEST:
        raise BadAddress("too_long", channel=channel)
    make = _FORMS.get(channel)
    if make is None:
        raise BadAddress("unknown_channel", channel=channel)
    return make(text)


def mask(value: str) -> str:
    """Hide most of an address where it is only to be recognised: `i•••••v@example.org`, `+359 88 ••• 4417`.

    Always as many dots: how long the hidden part is, is hidden too.
    """
    local, at, domain = value.rpartition("@")
    if at and local:
        return f"{local[0]}•••••{local[-1] if len(local) > 3 else ''}@{domain}"
    if _E164.fullmatch(value):
        return _masked_number(value)
    return f"{value[:1]}•••••"


def _masked_number(value: str) -> str:
    """The country and the first two digits; the last four only where as many stay hidden as a Bulgarian mobile's."""
    try:
        country = str(phonenumbers.parse(value).country_code)
    except phonenumbers.NumberParseException:
        return f"{value[:3]} •••"
    own = value[1 + len(country) :]
    return f"+{country} {own[:2]} ••• {own[-4:]}" if len(own) > 8 else f"+{country} ••• {own[-2:]}"


def _email(text: str) -> str:
    lowered = text.lower()
    if len(lowered) <= 64 and _PLAIN_EMAIL.fullmatch(lowered):
        return lowered
    try:
        # Names kept for documentation (RFC 6761) are taken: the demonstration's people have such.
        found = email_validator.validate_email(text, check_deliverability=False, globally_deliverable=False)
    except email_validator.EmailNotValidError as err:
        raise BadAddress("bad_email", channel=Channel.EMAIL) from err
    if "." not in found.ascii_domain:
        raise BadAddress("bad_email", channel=Channel.EMAIL)
    return f"{found.local_part.lower()}@{found.ascii_domain.lower()}"


def _phone(text: str) -> str:
    mobile = _BULGARIAN_MOBILE.fullmatch(text.translate(_PHONE_PUNCTUATION))
    if mobile:
        return f"+359{mobile[1]}"
    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException as err:
        raise BadAddress("bad_phone", channel=Channel.SMS) from err
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise BadAddress("bad_phone", channel=Channel.SMS)
    if number.extension:
        raise BadAddress("bad_phone", channel=Channel.SMS)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _handle(text: str) -> str:
    if not text.isprintable() or " " in text:
        raise BadAddress("bad_handle")
    return text.lower()


_FORMS: Final = {
    Channel.EMAIL.value: _email,
    Channel.SMS.value: _phone,
    Channel.SOCIAL.value: _handle,
    Channel.FEED.value: _handle,
    Channel.PUSH.value: _handle,
    Channel.WEBHOOK.value: _handle,
}
