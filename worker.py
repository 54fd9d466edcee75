"""The Celery worker's entry point: the app with its tasks loaded, for `outreach worker` and `celery -A worker`."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outreach.settings")
# Django's checks load every URL and view, which a worker has no use for; `outreach migrate` runs them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
django.setup()

from outreach import tasks  # noqa: E402 -- Django has to be set up first
from outreach.core.queue import app  # noqa: E402 -- as above

__all__ = ["app", "tasks"]
