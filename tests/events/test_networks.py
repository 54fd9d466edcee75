from __future__ import annotations

import pytest

from outreach.events.networks import is_hosted


@pytest.mark.parametrize(
    ("address", "hosted"),
    [
        ("3.120.5.6", True),  # Amazon
        ("40.94.25.10", True),  # Microsoft
        ("::ffff:159.69.7.7", True),  # Hetzner
        ("2a01:4f8:1::1", True),  # Hetzner
        ("67.231.152.9", True),  # Proofpoint
        ("78.90.12.34", False),
        ("66.249.93.8", False),  # Google's proxy of pictures
        ("104.28.30.7", False),  # Cloudflare, where Apple's relay comes out
        ("2a01:5a8:302::7", False),
        ("127.0.0.1", False),
        ("", False),
        ("nobody", False),
        ("1.2.3.4:80\0", False),
    ],
)
def test_data_centres_are_told_from_homes(address: str, hosted: bool) -> None:
    assert is_hosted(address) is hosted
