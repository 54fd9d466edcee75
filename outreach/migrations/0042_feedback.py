"""What readers answer to questions in messages and in surveys; words for the event of it and for such a reply."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from outreach.core.vocabulary import Channel, EventKind, Question, ReplyKind

CASCADE: dict[str, Any] = {"on_delete": django.db.models.deletion.CASCADE}
TO_NULL: dict[str, Any] = {"null": True, "on_delete": django.db.models.deletion.SET_NULL}


class Migration(migrations.Migration):
    dependencies = [("outreach", "0041_domain_troubles")]

    operations = [
        migrations.AlterField("event", "kind", models.TextField(choices=EventKind.choices)),
        migrations.AlterField("firstevent", "kind", models.TextField(choices=EventKind.choices)),
        migrations.AlterField("reply", "kind", models.CharField(max_length=12, choices=ReplyKind.choices)),
        migrations.CreateModel(
            name="Feedback",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organisation", models.ForeignKey(to="outreach.organisation", related_name="+", **CASCADE)),
                (
                    "service",
                    models.ForeignKey(to="outreach.service", related_name="feedback", db_index=False, **TO_NULL),
                ),
                (
                    "campaign",
                    models.ForeignKey(to="outreach.campaign", related_name="feedback", db_index=False, **TO_NULL),
                ),
                ("run", models.ForeignKey(to="outreach.run", related_name="+", **TO_NULL)),
                ("question", models.CharField(max_length=12, choices=Question.choices)),
                ("voter", models.BinaryField(max_length=16, null=True)),
                ("value", models.SmallIntegerField(null=True)),
                ("text", models.TextField(default="")),
                ("channel", models.CharField(max_length=10, choices=Channel.choices)),
                ("language", models.CharField(max_length=5, default="")),
                ("source", models.CharField(max_length=20)),
                ("delivery", models.BigIntegerField(null=True)),
                ("subscriber", models.ForeignKey(to="outreach.subscriber", related_name="+", **TO_NULL)),
                ("at", models.DateTimeField()),
                ("changed_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["voter", "question"], name="feedback_once")],
                "indexes": [
                    models.Index(fields=["campaign", "question", "value"], name="feedback_of_campaign"),
                    models.Index(fields=["service", "question", "value"], name="feedback_of_service"),
                    models.Index(fields=["at"], name="feedback_open", condition=models.Q(voter__isnull=False)),
                ],
            },
        ),
        migrations.CreateModel(
            name="Survey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organisation", models.ForeignKey(to="outreach.organisation", related_name="+", **CASCADE)),
                ("service", models.ForeignKey(to="outreach.service", related_name="surveys", **CASCADE)),
                ("title", models.JSONField(default=dict)),
                ("questions", models.JSONField(default=list)),
                ("is_open", models.BooleanField(default=True)),
                ("first_answer_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="SurveyResponse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("survey", models.ForeignKey(to="outreach.survey", related_name="responses", **CASCADE)),
                ("campaign", models.ForeignKey(to="outreach.campaign", related_name="+", **TO_NULL)),
                ("run", models.ForeignKey(to="outreach.run", related_name="+", **TO_NULL)),
                ("voter", models.BinaryField(max_length=16, null=True)),
                ("answers", models.JSONField(default=dict)),
                ("channel", models.CharField(max_length=10, choices=Channel.choices)),
                ("language", models.CharField(max_length=5, default="")),
                ("delivery", models.BigIntegerField(null=True)),
                ("subscriber", models.ForeignKey(to="outreach.subscriber", related_name="+", **TO_NULL)),
                ("at", models.DateTimeField()),
                ("changed_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["survey", "voter"], name="survey_response_once")],
                "indexes": [
                    models.Index(fields=["at"], name="survey_response_open", condition=models.Q(voter__isnull=False)),
                ],
            },
        ),
    ]
