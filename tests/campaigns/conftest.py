from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.campaigns.studio import Studio


@pytest.fixture
def studio(db: None) -> Studio:
    from tests.campaigns.studio import Studio

    return Studio()
