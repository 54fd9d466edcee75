"""What the web process serves: the bare door in front, and Django behind it.

Django is slow under ASGI, so it runs as WSGI in a pool of threads; a million pixels never wait for it.
"""

from __future__ import annotations

import os
from typing import Any, Final
from urllib.parse import quote

from a2wsgi import WSGIMiddleware
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outreach.settings")
_django = get_wsgi_application()

from outreach.web.outer import Outer  # noqa: E402 -- models exist only after Django's set-up
from outreach.web.tracking.wire import Receive, Scope, Send  # noqa: E402 -- as above

#: Requests that Django serves at once; each may hold one database connection.
THREADS: Final = 16

_bridge = WSGIMiddleware(_django, workers=THREADS)  # type: ignore[arg-type]  # WSGI's types, written twice


#: What may stand in a query as it is (RFC 3986, 3.4), and what senders leave in it all the same.
_AS_IT_IS: Final = "%/:=&?~#+!$,;'@()*[]"


async def _site(scope: Scope, receive: Receive, send: Send) -> None:
    """Django. The server's `receive` may give a future where the bridge needs a coroutine.

    The bridge takes ASCII alone, but some programs send letters of a query as they were typed.
    """
    if not scope["query_string"].isascii():
        scope = {**scope, "query_string": quote(scope["query_string"], safe=_AS_IT_IS).encode()}

    async def receive_next() -> Any:
        return await receive()

    await _bridge(scope, receive_next, send)  # type: ignore[arg-type]  # a2wsgi has its own TypedDicts


#: Everything: what `outreach web` serves.
application = Outer(_site)
#: The readers' endpoints alone, for a host in front.
tracking = Outer(None)
