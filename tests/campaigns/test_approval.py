from __future__ import annotations

import pytest

from outreach.campaigns.approval import approve, is_approved, reject, require_approval, submit
from outreach.campaigns.drafts import change_campaign
from outreach.core.access import Actor
from outreach.core.errors import ApprovalRequired, Forbidden, StateConflict
from outreach.core.vocabulary import ApprovalPolicy, Role
from tests.campaigns.studio import Studio


@pytest.fixture
def four_eyes(db: None) -> Studio:
    return Studio(approval=ApprovalPolicy.FOUR_EYES)


def test_somebody_else_approves_this_version(four_eyes: Studio) -> None:
    campaign = submit(four_eyes.author, four_eyes.campaign())
    with pytest.raises(ApprovalRequired):
        require_approval(campaign)
    approve(four_eyes.approver, campaign, note="Добре")
    require_approval(campaign)
    assert (campaign.state, is_approved(campaign)) == ("approved", True)


def test_any_edit_voids_the_approval(four_eyes: Studio) -> None:
    campaign = submit(four_eyes.author, four_eyes.campaign())
    approve(four_eyes.approver, campaign)
    change_campaign(four_eyes.author, campaign, {"name": "Друго"})
    assert (campaign.state, is_approved(campaign)) == ("draft", False)


def test_the_last_editor_may_not_approve(four_eyes: Studio) -> None:
    campaign = submit(four_eyes.author, four_eyes.campaign())
    same = Actor(organisation=four_eyes.town, user=four_eyes.author.user, roles=frozenset({Role.ADMINISTRATOR}))
    with pytest.raises(Forbidden):
        approve(same, campaign)


def test_a_rejection_after_an_approval_counts(four_eyes: Studio) -> None:
    campaign = submit(four_eyes.author, four_eyes.campaign())
    approve(four_eyes.approver, campaign)
    reject(four_eyes.approver, campaign, note="Не сега")
    assert (campaign.state, is_approved(campaign)) == ("draft", False)


def test_a_draft_cannot_be_approved(four_eyes: Studio) -> None:
    with pytest.raises(StateConflict):
        approve(four_eyes.approver, four_eyes.campaign())


def test_without_four_eyes_nobody_has_to_approve(studio: Studio) -> None:
    require_approval(studio.campaign())
