"""Where providers call back: `/hooks/HOOK_KEY/(events|inbound|status)`."""

from __future__ import annotations

from django.urls import path

from outreach.web.hooks import views

urlpatterns = [path("<str:hook_key>/<str:kind>", views.receive, name="hook")]
