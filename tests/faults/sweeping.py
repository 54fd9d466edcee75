"""A process that sweeps so many times: `python -m tests.faults.sweeping COUNT`, in an installation's environment."""

from __future__ import annotations

import os
import sys

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outreach.settings")
    django.setup()
    from outreach.delivery.sweep import sweep

    for _ in range(int(sys.argv[1])):
        sweep()
