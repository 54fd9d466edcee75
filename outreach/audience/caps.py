"""How often at most a person is written to: by a topic's cap, and by a budget that organisations share.

A budget belongs to one organisation; it counts for those of its tree that joined it, each by its own decision. The
count is kept by the address's digest and says of no message whose it was. `delivery.caps` holds to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Budget, BudgetMember, Pressure, Topic
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Permission

MOST_MESSAGES: Final = 1_000
MOST_DAYS: Final = 90


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """At most so many messages to one person in so many days."""

    messages: int
    days: int


def cap_of_topic(topic: Topic) -> Allowance | None:
    """The topic's cap; None where it has none."""
    if topic.cap_messages is None or topic.cap_days is None:
        return None
    return Allowance(messages=topic.cap_messages, days=topic.cap_days)


@transaction.atomic
def set_topic_cap(actor: Actor, topic: Topic, cap: Allowance | None) -> None:
    """Cap what people get on a topic, whoever sends it, or cap it no more.

    Raises:
        Invalid: the cap is out of bounds.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    _check(cap)
    if cap == cap_of_topic(topic):
        return
    topic.cap_messages, topic.cap_days = (cap.messages, cap.days) if cap else (None, None)
    topic.save(update_fields=["cap_messages", "cap_days"])
    audit.record(actor, "topic.capped", topic, cap=_told(cap))


def budgets_open_to(organisation: Organisation) -> QuerySet[Budget]:
    """Budgets that the organisation may join: its own and those of the organisations above."""
    return Budget.objects.filter(organisation__in=organisation.ancestor_ids()).select_related("organisation")


def joined_budget(organisation: Organisation) -> Budget | None:
    """The budget that counts for what this organisation sends."""
    member = BudgetMember.objects.filter(organisation=organisation).select_related("budget__organisation").first()
    return member.budget if member else None


@transaction.atomic
def set_budget(actor: Actor, cap: Allowance | None) -> Budget | None:
    """Offer a budget to the actor's organisation and those below it, change it, or withdraw it from all who joined.

    Raises:
        Invalid: it is out of bounds.
    """
    actor.require(Permission.MANAGE_ORGANISATION)
    _check(cap)
    found = Budget.objects.select_for_update().filter(organisation=actor.organisation).first()
    if cap is None:
        if found:
            audit.record(actor, "budget.withdrawn", found)
            Pressure.objects.filter(scope=f"b:{found.pk}").delete()
            found.delete()
        return None
    if found and (found.messages, found.days) == (cap.messages, cap.days):
        return found
    values = {"messages": cap.messages, "days": cap.days}
    budget, _is_new = Budget.objects.update_or_create(organisation=actor.organisation, defaults=values)
    audit.record(actor, "budget.set", budget, cap=_told(cap))
    return budget


@transaction.atomic
def join_budget(actor: Actor, budget: Budget | None) -> None:
    """Let a budget count for what the actor's organisation sends from now on; None leaves the one it had.

    Raises:
        Invalid: it is not offered to this organisation.
    """
    actor.require(Permission.MANAGE_ORGANISATION)
    if budget is not None and not budgets_open_to(actor.organisation).filter(pk=budget.pk).exists():
        raise Invalid({"budget": [_("This budget is not offered to your organisation.")]})
    had = joined_budget(actor.organisation)
    if budget == had:
        return
    if had is not None:
        BudgetMember.objects.filter(organisation=actor.organisation).delete()
        audit.record(actor, "budget.left", had)
    if budget is not None:
        # Another click may have joined since we looked.
        BudgetMember.objects.update_or_create(organisation=actor.organisation, defaults={"budget": budget})
        audit.record(actor, "budget.joined", budget)


def forget_pressure() -> int:
    """Forget counts that no cap can ask for any more; how many."""
    return Pressure.objects.filter(seen_at__lt=clock.now() - timedelta(days=MOST_DAYS + 1)).delete()[0]


def _check(cap: Allowance | None) -> None:
    problems: dict[str, list[Any]] = {}
    if cap is not None and not 1 <= cap.messages <= MOST_MESSAGES:
        problems["messages"] = [_("Give a number of messages from 1 to 1,000.")]
    if cap is not None and not 1 <= cap.days <= MOST_DAYS:
        problems["days"] = [_("Give a number of days from 1 to 90.")]
    if problems:
        raise Invalid(problems)


def _told(cap: Allowance | None) -> str:
    return f"{cap.messages}/{cap.days}" if cap else ""
