"""The demonstration's organisations, people who log in, accounts, topics and e-services, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from outreach.core.vocabulary import OrganisationKind, Role

K = OrganisationKind


@dataclass(frozen=True, kw_only=True)
class Node:
    """One organisation of the tree."""

    slug: str
    parent: str
    kind: OrganisationKind
    bg: str
    en: str


ORGANISATIONS: Final = (
    Node(slug="council", parent="", kind=K.COUNCIL, bg="Съвет за електронно управление", en="Council for e-Government"),
    Node(
        slug="coordination",
        parent="council",
        kind=K.COORDINATOR,
        bg="Министерство на електронното управление",
        en="Ministry of e-Government",
    ),
    Node(
        slug="information-council",
        parent="coordination",
        kind=K.INFORMATION_COUNCIL,
        bg="Съвет по информиране",
        en="Information Council",
    ),
    Node(
        slug="ministry-transport",
        parent="information-council",
        kind=K.MINISTRY,
        bg="Министерство на транспорта и съобщенията",
        en="Ministry of Transport and Communications",
    ),
    Node(
        slug="ministry-health",
        parent="information-council",
        kind=K.MINISTRY,
        bg="Министерство на здравеопазването",
        en="Ministry of Health",
    ),
    Node(
        slug="region-plovdiv",
        parent="information-council",
        kind=K.REGION,
        bg="Областна администрация Пловдив",
        en="Regional Administration Plovdiv",
    ),
    Node(
        slug="municipality-plovdiv",
        parent="information-council",
        kind=K.MUNICIPALITY,
        bg="Община Пловдив",
        en="Municipality of Plovdiv",
    ),
    Node(
        slug="municipality-varna",
        parent="information-council",
        kind=K.MUNICIPALITY,
        bg="Община Варна",
        en="Municipality of Varna",
    ),
    Node(
        slug="municipality-gabrovo",
        parent="information-council",
        kind=K.MUNICIPALITY,
        bg="Община Габрово",
        en="Municipality of Gabrovo",
    ),
)

#: (log-in, name, language, {organisation: roles}).
USERS: Final[tuple[tuple[str, str, str, dict[str, tuple[Role, ...]]], ...]] = (
    ("admin@demo.egov.example", "Асен Димитров", "bg", {"council": (Role.ADMINISTRATOR,)}),
    ("maria@demo.egov.example", "Мария Георгиева", "bg", {"coordination": (Role.AUTHOR, Role.PUBLISHER)}),
    ("elena@demo.egov.example", "Елена Стоянова", "bg", {"council": (Role.APPROVER,)}),
    ("petar@demo.egov.example", "Петър Илиев", "bg", {"council": (Role.ANALYST,)}),
    ("gergana@demo.egov.example", "Гергана Колева", "bg", {"municipality-plovdiv": (Role.AUTHOR, Role.PUBLISHER)}),
    ("john@demo.egov.example", "John Carter", "en", {"council": (Role.ANALYST,)}),
)
MARIA: Final = "maria@demo.egov.example"
ELENA: Final = "elena@demo.egov.example"
GERGANA: Final = "gergana@demo.egov.example"

#: (slug, organisation, Bulgarian name, English name, Bulgarian description, English description).
TOPICS: Final = (
    (
        "e-services-citizens",
        "council",
        "Електронни услуги за граждани",
        "E-services for citizens",
        "Новости за услугите, които можете да ползвате от вкъщи.",
        "News of the services that you can use from home.",
    ),
    (
        "e-services-business",
        "council",
        "Електронни услуги за бизнеса",
        "E-services for business",
        "Регистри, декларации и разрешителни без хартия.",
        "Registers, declarations and permits without paper.",
    ),
    (
        "training-officials",
        "coordination",
        "Обучения за служители",
        "Training for officials",
        "Покани за курсове и учебни материали.",
        "Invitations to courses, and their material.",
    ),
    (
        "local-taxes",
        "information-council",
        "Местни данъци и такси",
        "Local taxes and fees",
        "Срокове и начини за плащане.",
        "Deadlines and ways to pay.",
    ),
    (
        "roads-and-transport",
        "ministry-transport",
        "Пътища и превози",
        "Roads and transport",
        "Винетки, регистрация на превозни средства, книжки.",
        "Vignettes, vehicle registration, driving licences.",
    ),
    (
        "health-records",
        "ministry-health",
        "Електронно здраве",
        "E-health",
        "Здравно досие, електронни рецепти и направления.",
        "Health record, electronic prescriptions and referrals.",
    ),
    (
        "press",
        "council",
        "За медии и доставчици",
        "For media and providers",
        "Съобщения за препубликуване.",
        "Announcements to publish.",
    ),
)

#: Topic -> the one that it belongs under: what others do for citizens stands below the council's own.
BRANCHES: Final = {
    "local-taxes": "e-services-citizens",
    "roads-and-transport": "e-services-citizens",
    "health-records": "e-services-citizens",
}

#: (slug, organisation, Bulgarian name, English name, path, Bulgarian steps, English steps, kinds, topics).
SERVICES: Final[tuple[tuple[str, str, str, str, str, str, str, list[str], list[str]], ...]] = (
    (
        "e-identification",
        "coordination",
        "Електронна идентификация",
        "Electronic identification",
        "eid",
        "1. Изтеглете приложението. 2. Сканирайте личната си карта. 3. Потвърдете с код.",
        "1. Download the app. 2. Scan your identity card. 3. Confirm with a code.",
        ["citizen", "business"],
        ["e-services-citizens", "e-services-business"],
    ),
    (
        "address-registration",
        "municipality-plovdiv",
        "Заявяване на постоянен адрес",
        "Registration of permanent address",
        "address",
        "1. Влезте с електронна идентификация. 2. Попълнете новия адрес. 3. Подпишете и изпратете.",
        "1. Log in with electronic identification. 2. Fill in the new address. 3. Sign and send.",
        ["citizen"],
        ["e-services-citizens"],
    ),
    (
        "criminal-record",
        "coordination",
        "Електронно свидетелство за съдимост",
        "Electronic criminal record certificate",
        "criminal-record",
        "1. Влезте с електронен подпис. 2. Изберете целта. 3. Получете свидетелството веднага.",
        "1. Log in with an electronic signature. 2. Choose the purpose. 3. Receive the certificate at once.",
        ["citizen"],
        ["e-services-citizens"],
    ),
    (
        "driving-licence",
        "ministry-transport",
        "Подмяна на свидетелство за управление",
        "Renewal of driving licence",
        "driving-licence",
        "1. Подайте заявление. 2. Платете таксата с карта. 3. Изберете къде да я получите.",
        "1. Apply. 2. Pay the fee by card. 3. Choose where to collect it.",
        ["citizen"],
        ["roads-and-transport", "e-services-citizens"],
    ),
    (
        "vignette",
        "ministry-transport",
        "Електронна винетка",
        "Electronic vignette",
        "vignette",
        "1. Въведете номера на автомобила. 2. Изберете срок. 3. Платете.",
        "1. Enter the number plate. 2. Choose the period. 3. Pay.",
        ["citizen", "business"],
        ["roads-and-transport"],
    ),
    (
        "health-record",
        "ministry-health",
        "Електронно здравно досие",
        "Electronic health record",
        "health",
        "1. Влезте с електронна идентификация. 2. Вижте прегледи, рецепти и направления.",
        "1. Log in with electronic identification. 2. See examinations, prescriptions and referrals.",
        ["citizen"],
        ["health-records"],
    ),
    (
        "local-taxes-payment",
        "municipality-plovdiv",
        "Плащане на местни данъци",
        "Payment of local taxes",
        "taxes",
        "1. Въведете ПИН кода си. 2. Проверете задълженията. 3. Платете с карта.",
        "1. Enter your PIN. 2. Check what is due. 3. Pay by card.",
        ["citizen", "business"],
        ["local-taxes"],
    ),
    (
        "company-registration",
        "coordination",
        "Регистрация на дружество",
        "Company registration",
        "company",
        "1. Запазете името. 2. Приложете документите. 3. Подпишете с електронен подпис.",
        "1. Reserve the name. 2. Attach the documents. 3. Sign electronically.",
        ["business"],
        ["e-services-business"],
    ),
    (
        "annual-report",
        "coordination",
        "Годишен отчет онлайн",
        "Annual report online",
        "annual-report",
        "1. Влезте в портала. 2. Попълнете формуляра. 3. Изпратете до 30 юни.",
        "1. Log in to the portal. 2. Fill in the form. 3. Send it by 30 June.",
        ["business"],
        ["e-services-business"],
    ),
    (
        "officials-course",
        "coordination",
        "Курс „Работа с електронни услуги“",
        "Course “Working with e-services”",
        "course",
        "1. Запишете се. 2. Изберете дата. 3. Получете връзка за курса.",
        "1. Enrol. 2. Choose a date. 3. Receive the link to the course.",
        ["official"],
        ["training-officials"],
    ),
)

SENDER: Final = "Електронно управление <news@demo.egov.example>"
REPLIES: Final = "replies@demo.egov.example"
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Sender:
    """One account of the demonstration: it speaks to a local peer."""

    name: str
    organisation: str
    adapter: str
    settings: dict[str, Any]
    #: Messages a minute in `make run`, where people want to see a campaign move; 0 for no limit.
    shown_rate: int = 0
    is_default: bool = True


#: What the demonstration's SMS cost; invented.
PRICES: Final = (
    {"country": "BG", "unit": "segment", "amount": "0.045", "currency": "EUR", "valid_from": "2026-01-01"},
    {"country": "", "unit": "segment", "amount": "0.09", "currency": "EUR", "valid_from": "2026-01-01"},
)


def senders(ports: dict[str, int]) -> tuple[Sender, ...]:
    """The accounts, pointed at the peers' ports."""
    imap = {"host": LOOPBACK, "port": ports["imap"], "security": "none", "username": REPLIES, "password": "any"}
    return (
        Sender(
            name="Пощенски сървър",
            organisation="council",
            adapter="smtp",
            settings={
                "host": LOOPBACK,
                "port": ports["smtp"],
                "security": "none",
                "sender": SENDER,
                "reply_address": REPLIES,
                "imap": imap,
            },
            shown_rate=1200,
        ),
        Sender(
            name="SMS (Twilio)",
            organisation="council",
            adapter="twilio",
            settings={
                "account_sid": "AC0123456789abcdef0123456789abcdef",
                "auth_token": "demonstration-token",
                "sender": "+35924900001",
                "base_url": f"http://{LOOPBACK}:{ports['phone']}",
            },
            shown_rate=600,
        ),
        Sender(
            name="Профил в X",
            organisation="council",
            adapter="x",
            settings={
                "consumer_key": "demonstration",
                "consumer_secret": "demonstration",
                "access_token": "1001-egovbg",
                "access_token_secret": "demonstration",
                "base_url": f"http://{LOOPBACK}:{ports['social']}",
            },
        ),
        Sender(
            name="Емисии (RSS, Atom, JSON)",
            organisation="council",
            adapter="feed",
            settings={"title": "Електронно управление", "site": "https://egov.example/"},
        ),
        Sender(
            name="SendGrid",
            organisation="council",
            adapter="sendgrid",
            settings={
                "api_key": "SG.demonstration",
                "sender": SENDER,
                "reply_address": REPLIES,
                "base_url": f"http://{LOOPBACK}:{ports['sendgrid']}",
            },
            is_default=False,
        ),
    )
