"""Tells a second answer of the same reader without keeping whose it is: digests under the installation's key."""

from __future__ import annotations

from outreach.core.secrets import mac


def voter_of(run_id: int, target: str) -> bytes:
    """The same for all messages of a run to one person, by whatever channel; says nothing without our key."""
    return mac("feedback").digest(f"{run_id}:{target}".encode())[:16]


def survey_voter(survey_id: int, target: str) -> bytes:
    """The same for all messages to one person that lead to the survey."""
    return mac("feedback").digest(f"survey:{survey_id}:{target}".encode())[:16]
