"""The Celery worker's entry point: the app with its tasks loaded, for `outreach worker` and `celery -A worker`."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outreach.settings")
django.setup()

from outreach import tasks  # noqa: E402 -- Django has to be set up first
from outreach.core.queue import app  # noqa: E402 -- as above

__all__ = ["app", "tasks"]
