"""Four eyes: a decision about exactly one digest of a campaign, by somebody other than its last editor."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.drafts import digest, lock
from outreach.campaigns.lifecycle import Verb, next_state
from outreach.campaigns.models import Approval, Campaign
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import ApprovalRequired, Forbidden
from outreach.core.vocabulary import ApprovalDecision, ApprovalPolicy, Permission

OWN_WORK: Final = _("You changed this campaign last, so somebody else has to approve it.")


@transaction.atomic
def submit(actor: Actor, campaign: Campaign) -> Campaign:
    """Ask for approval."""
    actor.require(Permission.EDIT_CAMPAIGNS)
    campaign = lock(campaign)
    _move(campaign, Verb.SUBMIT)
    audit.record(actor, "campaign.submitted", campaign)
    return campaign


@transaction.atomic
def approve(actor: Actor, campaign: Campaign, *, note: str = "") -> Approval:
    """Approve the present version; any later edit voids this.

    Raises:
        Forbidden: the role does not allow it, or the actor edited the campaign last and four eyes are asked for.
    """
    actor.require(Permission.APPROVE)
    campaign = lock(campaign)
    if needs_approval(campaign) and actor.is_same_person(campaign.edited_by, campaign.edited_by_token):
        raise Forbidden(OWN_WORK)
    _move(campaign, Verb.APPROVE)
    approval = _decide(actor, campaign, ApprovalDecision.APPROVED, note=note)
    audit.record(actor, "campaign.approved", campaign, digest=approval.digest)
    return approval


@transaction.atomic
def reject(actor: Actor, campaign: Campaign, *, note: str = "") -> Approval:
    """Send the campaign back to its author, with a note."""
    actor.require(Permission.APPROVE)
    campaign = lock(campaign)
    _move(campaign, Verb.REJECT)
    approval = _decide(actor, campaign, ApprovalDecision.REJECTED, note=note)
    audit.record(actor, "campaign.rejected", campaign, digest=approval.digest)
    return approval


def needs_approval(campaign: Campaign) -> bool:
    return campaign.organisation.approval == ApprovalPolicy.FOUR_EYES


def is_approved(campaign: Campaign) -> bool:
    """Whether the last decision about exactly this version approved it."""
    last = campaign.approvals.filter(digest=digest(campaign)).order_by("-pk").first()
    return last is not None and last.decision == ApprovalDecision.APPROVED


def require_approval(campaign: Campaign) -> None:
    """Raises: ApprovalRequired: the organisation asks for four eyes, and two looked at this version."""
    if needs_approval(campaign) and not is_approved(campaign):
        raise ApprovalRequired(state=campaign.state)


def _move(campaign: Campaign, verb: Verb) -> None:
    campaign.state = next_state(campaign.state, verb)
    campaign.save(update_fields=["state"])


def _decide(actor: Actor, campaign: Campaign, decision: ApprovalDecision, *, note: str) -> Approval:
    return Approval.objects.create(
        campaign=campaign, digest=digest(campaign), decision=decision, user=actor.user, token=actor.token, note=note
    )
