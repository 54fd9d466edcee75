"""The paths that readers of our messages open."""

from __future__ import annotations

from django.urls import path

from outreach.web.public import archive, feedback, health, join, pictures, survey, topic_tree, views, your_data

urlpatterns = [
    path("u/<str:text>", views.unsubscribe_page, name="public-unsubscribe"),
    path("p/<str:text>", views.preferences_page, name="public-preferences"),
    path("p/<str:text>/why", views.why_page, name="public-why"),
    path("p/<str:text>/keep", views.keep_page, name="public-keep"),
    path("p/<str:text>/data", your_data.data_page, name="public-data"),
    path("d/<str:text>", your_data.one_time_page, name="public-one-time"),
    path("f/<str:text>", feedback.feedback_page, name="public-feedback"),
    path("q/<str:text>", survey.survey_page, name="public-survey"),
    path("v/<str:text>", views.view_in_browser, name="public-view"),
    path("i/<str:key>", pictures.picture, name="public-picture"),
    path("join/<slug:slug>", join.join_page, name="public-join"),
    path("join/<slug:slug>/topics", topic_tree.topic_tree, name="public-topic-tree"),
    path("confirm/<str:text>", join.confirm_page, name="public-confirm"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("archive/", archive.topics, name="public-archive"),
    path("archive/<slug:slug>", archive.entries, name="public-archive-topic"),
]
