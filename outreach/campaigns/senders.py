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
    return {channel: pool[0] for channel, pool in resolve_pools(organisation, channels).items()}


def resolve_pools(organisation: Organisation, channels: Iterable[str]) -> dict[str, list[Account]]:
    """The accounts that each channel's messages may be split over, the usual one first; one query.

    With the usual one are those of the same node that are meant for messages which name no account, as it is.
    """
    nearness = {id_: distance for distance, id_ in enumerate(organisation.ancestor_ids())}
    accounts = usable_accounts(organisation).filter(channel__in=list(channels))
    pools: dict[str, list[Account]] = {}
    for account in sorted(
        accounts,
        key=lambda account: (
            nearness[account.organisation_id],
            not account.is_default,
            account.state != AccountState.ACTIVE,
            account.pk,
        ),
    ):
        pool = pools.setdefault(account.channel, [])
        if not pool or _share_alike(pool[0], account):
            pool.append(account)
    return pools


def _share_alike(usual: Account, other: Account) -> bool:
    is_beside = (usual.organisation_id, usual.is_sandbox) == (other.organisation_id, other.is_sandbox)
    return is_beside and usual.is_default and other.is_default
