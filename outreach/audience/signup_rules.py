"""What an organisation adds to the rules of its sign-up: mail domains that it does not take addresses of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.pending import SignUpRules
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Channel, Permission

MOST_DOMAINS: Final = 2_000


def refused_domains(organisation: Organisation) -> frozenset[str]:
    """What holds for the organisation: its own and those of the nodes above."""
    rows = SignUpRules.objects.filter(organisation__in=organisation.ancestor_ids())
    return frozenset(domain for domains in rows.values_list("refused_domains", flat=True) for domain in domains)


def own_domains(organisation: Organisation) -> list[str]:
    """What the organisation itself added, in alphabetical order."""
    row = SignUpRules.objects.filter(organisation=organisation).first()
    return list(row.refused_domains) if row else []


@transaction.atomic
def refuse_domains(actor: Actor, domains: Sequence[str]) -> list[str]:
    """Replace the organisation's own list; answer it as it is kept.

    Raises:
        Invalid: at `refused_domains/N`, what is no domain.
        Forbidden
    """
    actor.require(Permission.EDIT_AUDIENCE)
    if len(domains) > MOST_DOMAINS:
        raise Invalid({"refused_domains": [_("Use at most %(most)s domains.") % {"most": MOST_DOMAINS}]})
    problems: dict[str, list[Any]] = {}
    kept = set()
    for place, domain in enumerate(domains):
        try:
            kept.add(normalise(Channel.EMAIL, f"anybody@{domain.strip().removeprefix('@')}").rpartition("@")[2])
        except BadAddress:
            problems[f"refused_domains/{place}"] = [
                _("“%(domain)s” is no domain such as example.org.") % {"domain": domain[:80]}
            ]
    if problems:
        raise Invalid(problems)
    rules, _new = SignUpRules.objects.update_or_create(
        organisation=actor.organisation, defaults={"refused_domains": sorted(kept)}
    )
    audit.record(actor, "sign_up.changed", rules, domains=len(kept))
    return sorted(kept)
