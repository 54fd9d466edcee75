"""After how many returned messages an address is not written to any more: a setting that goes down the tree.

A message that came back for good says that the address does not exist; one that came back for now says that a mailbox
is full or a server away, and only again and again means the same. A complaint counts at once, whatever the setting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import Channel, Permission

_DAY: Final = 86_400
#: Setting -> its least and its largest value.
RANGES: Final[dict[str, tuple[int, int]]] = {"hard_after": (1, 10), "soft_after": (0, 20), "within_days": (1, 365)}


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What holds for an organisation; the defaults are those of the product."""

    #: Messages that came back for good.
    hard_after: int = 1
    #: Messages that came back for now; 0: however many.
    soft_after: int = 0
    #: Those of this many days are counted, up to the newest.
    within_days: int = 30


class BounceRule(models.Model):
    """What an organisation set itself; without one that of the nearest node above holds."""

    organisation = models.OneToOneField(Organisation, on_delete=models.CASCADE, related_name="bounce_rule")
    hard_after = models.PositiveSmallIntegerField()
    soft_after = models.PositiveSmallIntegerField()
    within_days = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return f"{self.organisation}: {self.hard_after}, {self.soft_after} in {self.within_days} days"


class BounceCount(models.Model):
    """The returned messages of an address, where more than one is waited for."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: As in the suppression list.
    digest = models.BinaryField(max_length=32)
    is_hard = models.BooleanField()
    #: Key of what told of it -> when it came back, in seconds: told twice, it counts once.
    seen = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["digest", "channel", "organisation", "is_hard"], name="bounces_once")
        ]

    def __str__(self) -> str:
        return f"{self.channel} {len(self.seen)}"


def thresholds_of(organisation: Organisation) -> Thresholds:
    """What holds for the organisation: its own setting, else that of the nearest node above, else the product's."""
    ids = organisation.ancestor_ids()
    rules = BounceRule.objects.filter(organisation__in=ids)
    nearest = min(rules, key=lambda rule: ids.index(rule.organisation_id), default=None)
    return Thresholds(**{name: getattr(nearest, name) for name in RANGES}) if nearest else Thresholds()


def has_own_rule(organisation: Organisation) -> bool:
    """Whether the organisation set something itself."""
    return BounceRule.objects.filter(organisation=organisation).exists()


@transaction.atomic
def set_thresholds(actor: Actor, **given: int) -> Thresholds:
    """Set what is given for the actor's organisation and all below it that set nothing; the rest stays as it holds.

    Raises:
        Invalid: a number is too small or too large.
    """
    actor.require(Permission.MANAGE_ORGANISATION)
    problems: dict[str, list[Any]] = {
        name: [_("Use a number from %(least)s to %(most)s.") % {"least": RANGES[name][0], "most": RANGES[name][1]}]
        for name, value in given.items()
        if not RANGES[name][0] <= value <= RANGES[name][1]
    }
    if problems:
        raise Invalid(problems)
    wanted = Thresholds(**{**asdict(thresholds_of(actor.organisation)), **given})
    rule, _is_new = BounceRule.objects.update_or_create(organisation=actor.organisation, defaults=asdict(wanted))
    audit.record(actor, "bounce_rule.changed", rule, **asdict(wanted))
    return wanted


@transaction.atomic
def forget_thresholds(actor: Actor) -> None:
    """Have the setting of the nodes above hold again."""
    actor.require(Permission.MANAGE_ORGANISATION)
    for rule in BounceRule.objects.filter(organisation=actor.organisation):
        audit.record(actor, "bounce_rule.removed", rule)
        rule.delete()


def is_enough(
    organisation: Organisation, channel: str, normalised: str, *, is_hard: bool, identity: str, at: datetime
) -> bool:
    """Count a returned message; say whether the address is not to be written to any more.

    Nothing is kept where the first one decides, or none does. Told again, a message counts once.
    """
    rule = thresholds_of(organisation)
    limit = rule.hard_after if is_hard else rule.soft_after
    if limit < 2:
        return limit == 1
    count, _is_new = BounceCount.objects.select_for_update().get_or_create(
        organisation=organisation, channel=channel, digest=address_digest(channel, normalised), is_hard=is_hard
    )
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    count.seen = counted(count.seen, key, at.timestamp(), days=rule.within_days)
    count.save(update_fields=["seen"])
    return len(count.seen) >= limit


def counted(seen: Mapping[str, float], key: str, at: float, *, days: int) -> dict[str, float]:
    """Those that were seen with this one, as far as they lie within so many days up to the newest."""
    every = {key: at, **seen}
    since = max(every.values()) - days * _DAY
    return {one: moment for one, moment in every.items() if moment >= since}


def forget_bounces(digest: bytes, channel: str) -> None:
    """Count anew: the address is off the list, or its owner is erased."""
    BounceCount.objects.filter(digest=digest, channel=channel).delete()
