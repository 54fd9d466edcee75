"""The demonstration's campaigns, as the API would write them: one in each state that a manager meets."""

from __future__ import annotations

from typing import Any, Final

MAIN: Final[dict[str, Any]] = {
    "name": "Документи без чакане: е-услуги за всеки",
    "organisation": "coordination",
    "goal": "uses",
    "audience": {"topics": ["e-services-citizens", "e-services-business"]},
    "channels": {"mode": "all", "order": ["email", "sms", "social", "feed"]},
    "services": ["e-identification", "criminal-record"],
    "tracking": "individual",
    "contents": [
        {
            "channel": "email",
            "language": "bg",
            "format": "markdown",
            "subject": "Вашите документи вече са на едно кликване",
            "body": (
                "# Здравейте{% if subscriber.name %}, {{ subscriber.name }}{% endif %}!\n\n"
                "Свидетелство за съдимост, постоянен адрес, удостоверения: "
                "получавате ги от вкъщи, за минути и без опашки.\n\n"
                "## Какво ви трябва\n\n"
                "{% for service in services %}\n"
                "- [{{ service.name }}]({{ service.url }}): {{ service.steps }}\n{% endfor %}\n\n"
                "[Започнете сега](https://egov.example/start)\n\n"
                "Ако нещо не е ясно, просто отговорете на това писмо. Ще ви отговори служител, а не програма.\n\n"
                "{{ ask.satisfied }}\n\n"
                "Министерство на електронното управление\n"
            ),
        },
        {
            "channel": "email",
            "language": "en",
            "format": "markdown",
            "subject": "Your documents are now one click away",
            "body": (
                "# Hello{% if subscriber.name %}, {{ subscriber.name }}{% endif %}!\n\n"
                "Criminal record certificates, address registration, attestations: "
                "from home, in minutes, without queues.\n\n"
                "## What you need\n\n"
                "{% for service in services %}\n"
                "- [{{ service.name }}]({{ service.url }}): {{ service.steps }}\n{% endfor %}\n\n"
                "[Start now](https://egov.example/start)\n\n"
                "If anything is unclear, just answer this e-mail. A person will reply.\n\n"
                "{{ ask.satisfied }}\n\n"
                "Ministry of e-Government\n"
            ),
        },
        {
            "channel": "sms",
            "language": "bg",
            "body": "Документи без чакане: вижте как на https://egov.example/start Отказ: отговорете STOP.",
        },
        {
            "channel": "sms",
            "language": "en",
            "body": "Your documents without queues: see how at https://egov.example/start Reply STOP to opt out.",
        },
        {
            "channel": "social",
            "language": "bg",
            "body": (
                "Свидетелство за съдимост от вкъщи, за минути и без опашки. "
                "Ето как: https://egov.example/start #еУправление"
            ),
        },
        {
            "channel": "feed",
            "language": "bg",
            "subject": "Документи без чакане: е-услуги за всеки",
            "body": "Свидетелство за съдимост, постоянен адрес и удостоверения вече се получават онлайн.\n\n"
            "[Как да започнете](https://egov.example/start)\n",
        },
        {
            "channel": "feed",
            "language": "en",
            "subject": "Documents without queues: e-services for everyone",
            "body": "Criminal record certificates, address registration and attestations are now issued online.\n\n"
            "[How to start](https://egov.example/start)\n",
        },
    ],
}

TRAINING: Final[dict[str, Any]] = {
    "name": "Покана за обучение: работа с електронни услуги",
    "organisation": "coordination",
    "goal": "understands",
    "audience": {"topics": ["training-officials"], "kinds": ["official"]},
    "channels": {"mode": "all", "order": ["email", "feed"]},
    "services": ["officials-course"],
    "tracking": "individual",
    "contents": [
        {
            "channel": "email",
            "language": "bg",
            "format": "markdown",
            "subject": "Покана: обучение „Работа с електронни услуги“",
            "body": (
                "# Уважаеми колеги,\n\n"
                "каним ви на еднодневно обучение за работа с електронните услуги на администрацията.\n\n"
                "{{ service.steps }}\n\n"
                "[Запишете се]({{ service.url }})\n\n"
                "Местата са ограничени: 25 души в група.\n\n"
                "{{ ask.recommends }}\n\n"
                "С уважение,\nМинистерство на електронното управление\n"
            ),
        },
        {
            "channel": "email",
            "language": "en",
            "format": "markdown",
            "subject": "Invitation: training “Working with e-services”",
            "body": (
                "# Dear colleagues,\n\nwe invite you to a one-day course on the administration's e-services.\n\n"
                "{{ service.steps }}\n\n[Enrol]({{ service.url }})\n\n{{ ask.recommends }}\n"
            ),
        },
        {
            "channel": "feed",
            "language": "bg",
            "subject": "Обучение за служители: работа с електронни услуги",
            "body": "Еднодневно обучение за служители на администрацията. [Запишете се]({{ service.url }})\n",
        },
    ],
}

TAXES: Final[dict[str, Any]] = {
    "name": "Местни данъци: отстъпка до края на срока",
    "organisation": "municipality-plovdiv",
    "goal": "uses",
    "audience": {"topics": ["local-taxes"]},
    "channels": {"mode": "preferred", "order": ["email", "sms"]},
    "services": ["local-taxes-payment"],
    "contents": [
        {
            "channel": "email",
            "language": "bg",
            "format": "markdown",
            "subject": "Платете местните данъци онлайн с 5 % отстъпка",
            "body": (
                "# Здравейте, {{ subscriber.name or 'съграждани' }}!\n\n"
                "Ако платите целия данък наведнъж, ползвате отстъпка от 5 %.\n\n"
                "{{ service.steps }}\n\n[Проверете и платете]({{ service.url }})\n\nОбщина Пловдив\n"
            ),
        },
        {
            "channel": "email",
            "language": "en",
            "format": "markdown",
            "subject": "Pay local taxes online with a 5 % discount",
            "body": (
                "# Hello!\n\n{{ service.steps }}\n\n[Check and pay]({{ service.url }})\n\nMunicipality of Plovdiv\n"
            ),
        },
        {
            "channel": "sms",
            "language": "bg",
            "body": "Община Пловдив: платете данъците онлайн с 5 % отстъпка: https://egov.example/taxes Отказ: STOP",
        },
        {
            "channel": "sms",
            "language": "en",
            "body": "Plovdiv: pay local taxes online with 5 % off: https://egov.example/taxes Reply STOP to opt out",
        },
    ],
}

REPORTS: Final[dict[str, Any]] = {
    "name": "Годишните отчети се подават онлайн",
    "organisation": "coordination",
    "goal": "knows",
    "audience": {"topics": ["e-services-business"], "kinds": ["business"]},
    "channels": {"mode": "all", "order": ["email"]},
    "services": ["annual-report"],
    "contents": [
        {
            "channel": "email",
            "language": "bg",
            "format": "markdown",
            "subject": "Годишният отчет: онлайн и без такса до 30 юни",
            "body": (
                "# До управителя на {{ subscriber.name or 'дружеството' }}\n\n"
                "Срокът за годишния отчет е 30 юни. Онлайн подаването е безплатно.\n\n"
                "{{ service.steps }}\n\n[Подайте отчета]({{ service.url }})\n"
            ),
        },
        {
            "channel": "email",
            "language": "en",
            "format": "markdown",
            "subject": "Annual reports: online and free of charge until 30 June",
            "body": (
                "# Dear manager,\n\nthe deadline is 30 June.\n\n{{ service.steps }}\n\n"
                "[File the report]({{ service.url }})\n"
            ),
        },
    ],
}

IDENTIFICATION: Final[dict[str, Any]] = {
    "name": "Електронна идентификация: започнете оттук",
    "organisation": "coordination",
    "goal": "interested",
    "audience": {"topics": ["e-services-citizens"], "kinds": ["citizen"]},
    "channels": {"mode": "preferred", "order": ["email", "sms"]},
    "services": ["e-identification"],
    "contents": [
        {
            "channel": "email",
            "language": "bg",
            "format": "markdown",
            "subject": "Един ключ за всички услуги",
            "body": (
                "# Здравейте, {{ subscriber.name or 'приятели' }}!\n\n"
                "С електронната идентификация влизате във всички услуги с едно приложение.\n\n"
                "{{ service.steps }}\n\n[Изтеглете приложението]({{ service.url }})\n"
            ),
        },
    ],
}

#: A service, and a few questions about it.
SURVEYED: Final = "officials-course"
SURVEY: Final[dict[str, Any]] = {
    "title": {"bg": "Няколко въпроса за обучението", "en": "A few questions about the course"},
    "questions": [
        {"kind": "satisfied", "text": {}},
        {
            "kind": "choice",
            "text": {"bg": "Как предпочитате да се учите?", "en": "How do you prefer to learn?"},
            "options": [
                {"bg": "На място, в група", "en": "In a group, on site"},
                {"bg": "Онлайн, с преподавател", "en": "Online, with a teacher"},
                {"bg": "Сам, от записи", "en": "Alone, from recordings"},
            ],
        },
        {"kind": "recommends", "text": {}},
        {"kind": "words", "text": {"bg": "Какво липсваше?", "en": "What was missing?"}},
    ],
}
