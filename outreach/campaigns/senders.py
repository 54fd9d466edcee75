"""Which account a campaign's channel is sent through: the organisation's own, else the nearest above it in the tree."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import AccountState


def usable_accounts(organisation: Organisation) -> QuerySet[Account]:
    """Accounts of the organisation and of every node above it."""
    return Account.objects.filter(organisation__in=organisation.ancestor_ids())


def resolve_accounts(organisation: Organisation, channels: Iterable[str]) -> dict[str, Account]:
    """The account of each channel that has one; one query.

    The nearest node counts first; there, a default one before others, a working one before a paused one, the oldest.
    """
    nearness = {id_: distance for distance, id_ in enumerate(organisation.ancestor_ids())}
    accounts = usable_accounts(organisation).filter(channel__in=list(channels))
    best_last = sorted(
        accounts,
        key=lambda account: (
            nearness[account.organisation_id],
            not account.is_default,
            account.state != AccountState.ACTIVE,
            account.pk,
        ),
        reverse=True,
    )
    return {account.channel: account for account in best_last}
