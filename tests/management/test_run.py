"""What `outreach run` starts."""

from __future__ import annotations

from typing import Any

import pytest

from outreach.management.run import programs


@pytest.mark.parametrize(
    ("watch", "has_mailboxes", "starts"),
    [(None, False, False), (None, True, True), (False, True, False), (True, False, True)],
)
def test_mailboxes_are_watched_where_there_are_any_unless_it_is_said_otherwise(
    settings: Any, *, watch: bool | None, has_mailboxes: bool, starts: bool
) -> None:
    settings.MAIL_WATCH, settings.MAIL_LISTEN = watch, ()
    names = [program.name for program in programs(has_sandbox=False, has_mailboxes=has_mailboxes)]
    assert ("mail" in names) is starts
