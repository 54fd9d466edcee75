"""The one table of a campaign's states: which verb leads where, and so which buttons a page shows."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from django.utils.translation import gettext_lazy as _

from outreach.core.errors import StateConflict
from outreach.core.vocabulary import CampaignState


class Verb(StrEnum):
    """What somebody may do to a campaign. `paused`, `held`, `cancelled` and `finished` are reached by the ledger."""

    EDIT = "edit"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    TEST = "test"
    ARCHIVE = "archive"


S = CampaignState
V = Verb

#: state -> verb -> the state that follows.
TABLE: Final[dict[str, dict[Verb, CampaignState]]] = {
    S.DRAFT: {
        V.EDIT: S.DRAFT,
        V.SUBMIT: S.SUBMITTED,
        V.SCHEDULE: S.SCHEDULED,
        V.START: S.RUNNING,
        V.TEST: S.DRAFT,
        V.ARCHIVE: S.DRAFT,
    },
    S.SUBMITTED: {
        V.EDIT: S.DRAFT,
        V.APPROVE: S.APPROVED,
        V.REJECT: S.DRAFT,
        V.SCHEDULE: S.SCHEDULED,
        V.START: S.RUNNING,
        V.TEST: S.SUBMITTED,
    },
    S.APPROVED: {
        V.EDIT: S.DRAFT,
        V.REJECT: S.DRAFT,
        V.SCHEDULE: S.SCHEDULED,
        V.START: S.RUNNING,
        V.TEST: S.APPROVED,
    },
    S.SCHEDULED: {
        V.UNSCHEDULE: S.DRAFT,
        V.START: S.RUNNING,
        V.CANCEL: S.CANCELLED,
        V.TEST: S.SCHEDULED,
    },
    S.RUNNING: {V.PAUSE: S.PAUSING, V.CANCEL: S.CANCELLING},
    S.PAUSING: {V.RESUME: S.RUNNING, V.CANCEL: S.CANCELLING},
    S.PAUSED: {V.RESUME: S.RUNNING, V.CANCEL: S.CANCELLING},
    S.HELD: {V.RESUME: S.RUNNING, V.CANCEL: S.CANCELLING},
    S.CANCELLING: {},
    S.CANCELLED: {V.ARCHIVE: S.CANCELLED},
    S.FINISHED: {V.ARCHIVE: S.FINISHED},
}

WORDS: Final = {
    V.EDIT: _("changed"),
    V.SUBMIT: _("sent for approval"),
    V.APPROVE: _("approved"),
    V.REJECT: _("sent back"),
    V.SCHEDULE: _("scheduled"),
    V.UNSCHEDULE: _("taken off the schedule"),
    V.START: _("started"),
    V.PAUSE: _("paused"),
    V.RESUME: _("resumed"),
    V.CANCEL: _("cancelled"),
    V.TEST: _("sent as a test"),
    V.ARCHIVE: _("archived"),
}


def next_state(state: str, verb: Verb) -> CampaignState:
    """Where the verb leads from this state.

    Raises:
        StateConflict: nowhere; its facts name the state and what is allowed in it.
    """
    follows = TABLE[state].get(verb)
    if follows is None:
        message = _("A campaign in the state “%(state)s” cannot be %(verb)s.") % {
            "state": CampaignState(state).label,
            "verb": WORDS[verb],
        }
        raise StateConflict(message, state=str(state), verb=str(verb), allowed=[str(verb) for verb in allowed(state)])
    return follows


def allowed(state: str) -> list[Verb]:
    """The verbs that this state allows, in the table's order."""
    return list(TABLE[state])
