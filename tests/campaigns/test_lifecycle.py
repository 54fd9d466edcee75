from __future__ import annotations

import pytest

from outreach.campaigns.lifecycle import TABLE, WORDS, Verb, allowed, next_state
from outreach.core.errors import StateConflict
from outreach.core.vocabulary import EDITABLE, ENDED, CampaignState


@pytest.mark.parametrize("state", CampaignState.values)
@pytest.mark.parametrize("verb", list(Verb))
def test_every_pair_leads_somewhere_or_is_refused_in_words(state: str, verb: Verb) -> None:
    if verb in TABLE[state]:
        assert next_state(state, verb) == TABLE[state][verb]
        return
    with pytest.raises(StateConflict) as caught:
        next_state(state, verb)
    expected = f"A campaign in the state “{CampaignState(state).label}” cannot be {WORDS[verb]}."
    assert (str(caught.value.message), caught.value.facts["allowed"]) == (expected, [str(v) for v in allowed(state)])


def test_every_state_is_in_the_table() -> None:
    assert set(TABLE) == set(CampaignState)


def test_only_editable_states_can_be_edited() -> None:
    assert {state for state in TABLE if Verb.EDIT in TABLE[state]} == EDITABLE


def test_nothing_starts_again_after_its_end() -> None:
    assert all(set(TABLE[state]) <= {Verb.ARCHIVE} for state in ENDED)
