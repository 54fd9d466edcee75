"""The console's paths."""

from __future__ import annotations

from django.urls import path

from outreach.web.console import home, login, sandbox, services, topics

app_name = "console"
urlpatterns = [
    path("", home.home, name="home"),
    path("home/running", home.home_running, name="home_running"),
    path("more", home.more, name="more"),
    path("login", login.LogIn.as_view(), name="login"),
    path("logout", login.leave, name="logout"),
    path("set-password/<str:uid>/<str:token>/", login.set_password, name="set_password"),
    path("language", login.choose_language, name="language"),
    path("theme", login.choose_theme, name="theme"),
    path("organisation", login.choose_organisation, name="organisation"),
    path("services", services.services, name="services"),
    path("services/new", services.new_service, name="new_service"),
    path("services/<int:service_id>", services.service, name="service"),
    path("topics", topics.topics, name="topics"),
    path("topics/new", topics.new_topic, name="new_topic"),
    path("topics/<int:topic_id>", topics.topic, name="topic"),
    path("sandbox", sandbox.sandbox, name="sandbox"),
    path("sandbox/<int:message_id>", sandbox.sandbox, name="sandbox_message"),
    path("sandbox/<int:message_id>.html", sandbox.sandbox_html, name="sandbox_html"),
]
