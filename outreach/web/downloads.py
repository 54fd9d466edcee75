"""Files of people, sent piece by piece."""

from __future__ import annotations

from django.http import HttpResponse, StreamingHttpResponse

from outreach.audience.exports import Export


def download(export: Export) -> HttpResponse:
    """Answer with the file; whoever keeps copies of answers is asked not to keep this one."""
    answer = StreamingHttpResponse(export.pieces, content_type=export.content_type)
    answer["Content-Disposition"] = f'attachment; filename="{export.file_name}"'
    answer["Cache-Control"] = "no-store"
    return answer  # type: ignore[return-value]
