"""What the web process serves: the bare door in front, and Django behind it.

Django is slow under ASGI, so it runs as WSGI in a pool of threads; a million pixels never wait for it.
"""

from __future__ import annotations

import os
from typing import Final

from a2wsgi import WSGIMiddleware
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outreach.settings")
_django = get_wsgi_application()

from outreach.web.outer import Outer  # noqa: E402 -- models exist only after Django's set-up

#: Requests that Django serves at once; each may hold one database connection.
THREADS: Final = 16

#: Everything: what `outreach web` serves.
application = Outer(WSGIMiddleware(_django, workers=THREADS))  # type: ignore[arg-type]  # a2wsgi has its own TypedDicts
#: The readers' endpoints alone, for a host in front.
tracking = Outer(None)
