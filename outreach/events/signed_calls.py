"""A service's own server tells us, signed, that somebody used or judged it: verified before it is read, counted once.

Beside the bearer token, which may do whatever its role may: a secret of this kind tells of one service, and no more.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext_lazy as _

from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.call_signatures import SignedCall
from outreach.core.errors import Invalid, OutreachError
from outreach.core.secrets import NotOurKey, mac
from outreach.events.call_secrets import CallSecret
from outreach.events.conversions import record_conversion
from outreach.events.models import Conversion

logger = logging.getLogger(__name__)

_ID: Final = re.compile(r"[\w:-]{1,200}", re.ASCII)


class NotSigned(OutreachError):
    """No secret of the service signed this call."""

    code: ClassVar[str] = "unauthenticated"
    status: ClassVar[int] = 401
    message = _("No secret of this service signed this call.")


class TooOld(NotSigned):
    """It was signed too long ago, or the caller's clock is wrong."""

    message = _("The call was signed more than 5 minutes ago, or your clock is wrong: see `webhook-timestamp`.")


class TooLarge(OutreachError):
    """It is larger than any call that tells of a use."""

    status: ClassVar[int] = 413
    message = _("The call is too large.")


class AnotherCall(OutreachError):
    """An id came with another body before."""

    code: ClassVar[str] = "idempotency_mismatch"
    message = _("This `webhook-id` came with another body before.")


class SignedConversion(models.Model):
    """A call that was counted: the same one is not counted again, however late it is repeated."""

    #: Digest of service and the caller's id under our key: an id may name a person.
    key = models.BinaryField(max_length=32, unique=True)
    #: SHA-256 of the body.
    digest = models.BinaryField(max_length=32)
    conversion = models.OneToOneField(Conversion, on_delete=models.CASCADE, related_name="+")
    secret = models.ForeignKey(CallSecret, on_delete=models.CASCADE, related_name="+", db_index=False)

    def __str__(self) -> str:
        return f"{self.conversion_id} by {self.secret_id}"


def verify(service_id: int, call: SignedCall) -> CallSecret:
    """The secret that signed the call to a service.

    Raises:
        NotSigned: nobody did, or there is no such service.
        TooOld: it was signed too long ago.
    """
    rows = CallSecret.objects.filter(service=service_id, withdrawn_at=None).select_related("organisation", "service")
    signers = [row for row, text in _opened(rows) if call.is_signed_by(text)]
    if not signers:
        raise NotSigned
    if not call.is_fresh(clock.now()):
        raise TooOld
    return signers[0]


def _opened(rows: Iterable[CallSecret]) -> Iterator[tuple[CallSecret, str]]:
    for row in rows:
        try:
            yield row, row.text
        except NotOurKey:
            logger.warning("a secret cannot be opened", extra={"action": "call.secret", "secret": row.pk})


def take_signed_conversion(secret: CallSecret, call: SignedCall, facts: Mapping[str, Any]) -> Conversion:
    """Count what a verified call tells, once: what a repeated one told is given back.

    Raises:
        Invalid: what `record_conversion` refuses, or the call has no id.
        AnotherCall
    """
    if not _ID.fullmatch(call.id):
        raise Invalid({"webhook-id": [_("Give the call an id of up to 200 letters, digits and _ : -")]})
    secret.note_use()
    key = mac("signed-calls").digest(f"{secret.service_id}:{call.id}".encode())
    digest = hashlib.sha256(call.body).digest()
    try:
        return _known(key, digest) or _count(secret, facts, key=key, digest=digest)
    except IntegrityError:  # the same call came twice at once, and the other was first
        if known := _known(key, digest):
            return known
        raise


def _known(key: bytes, digest: bytes) -> Conversion | None:
    row = SignedConversion.objects.select_related("conversion").filter(key=key).first()
    if row is None:
        return None
    if bytes(row.digest) != digest:
        raise AnotherCall
    return row.conversion


@transaction.atomic
def _count(secret: CallSecret, facts: Mapping[str, Any], *, key: bytes, digest: bytes) -> Conversion:
    conversion = record_conversion(product_itself(secret.organisation), service=secret.service.slug, **facts)
    SignedConversion.objects.create(key=key, digest=digest, conversion=conversion, secret=secret)
    return conversion
