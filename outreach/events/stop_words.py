"""Whole sentences by which people ask to be written to no more, as `keywords` reads them: without signs, in one line.

Each is all that is said; one that says more may mean something else, and is read by a person.
"""

from __future__ import annotations

import re
from typing import Final

_LETTERS_BG: Final = (
    r"(?:мейли(?:те)?|имейл(?:а|и|ите)?|писма(?:та)?|съобщения(?:та)?|новини(?:те)?|бюлетин[аи]?|известия(?:та)?)"
)
_FROM_BG: Final = (
    rf"(?: от (?:(?:вашите|вашия|тези|всички|този) )?(?:{_LETTERS_BG}|списък|списъка(?: си)?|абонамента|всичко))?"
)
_ASKS_BG: Final = r"(?:моля(?: ви)? |бихте ли |искам |желая |бих искал[аи]? )*(?:да )?"
_BULGARIAN: Final = (
    rf"{_ASKS_BG}(?:(?:ме|се) )?(?:отпиши|отпишете|отпиша|отписали|отписване)(?: ме| се)?{_FROM_BG}(?: моля)?",
    rf"не (?:искам|желая) (?:повече )?да получавам(?: повече)?(?: ваши| вашите| такива| тези| никакви)* {_LETTERS_BG}"
    r"(?: от вас| повече)*",
    rf"(?:моля )?не ми (?:пишете|пращайте|изпращайте)(?: повече)?(?: {_LETTERS_BG})?(?: повече| моля)?",
    rf"(?:моля )?(?:спрете|престанете) да ми (?:пишете|пращате|изпращате)(?: {_LETTERS_BG})?(?: моля)?",
    r"(?:моля )?(?:махнете|премахнете|извадете) (?:ме|адреса ми|имейла ми) от (?:вашия |този |вашата )?"
    r"(?:списъка|списък|базата(?: данни)?|база данни)(?: си)?(?: моля)?",
    r"(?:моля )?махнете ме",
    r"(?:моля )?прекратете (?:абонамента(?: ми)?|изпращането на "
    rf"(?:(?:тези|вашите) )?{_LETTERS_BG})",
    rf"(?:моля |искам |желая )*да бъда отписан[аи]?{_FROM_BG}",
    rf"(?:моля )?отпишете (?:имейла|адреса|мейла) ми{_FROM_BG}(?: моля)?",
    r"не (?:искам|желая) да ми (?:пишете|пращате|изпращате)(?: повече)?",
    rf"не (?:искам|желая) (?:повече )?(?:вашите|тези|такива|ваши) {_LETTERS_BG}",
    rf"(?:моля )?спрете (?:с )?(?:тези|вашите) {_LETTERS_BG}",
    rf"искам да спра да получавам (?:(?:вашите|тези|такива) )?{_LETTERS_BG}",
    rf"отказвам се от (?:{_LETTERS_BG}|абонамента(?: си)?)",
    r"(?:mol(?:ya|q|ia) )?(?:da )?(?:me |se )?(?:otpishi|otpishete|otpisha)(?: me| se)?(?: mol(?:ya|q|ia))?",
    r"ne mi pishete(?: poveche)?",
)
_LETTERS: Final = r"(?:e[ -]?mails?|mails?|messages|newsletters?|letters|mailings?)"
_LIST: Final = (
    rf"(?:(?:your|this|the|all|these) )?(?:(?:mailing|e[ -]?mail|distribution) )?(?:lists?|{_LETTERS}|everything)"
)
_ASKS: Final = r"(?:please |kindly |i want to |i would like to |i d like to |i wish to |(?:can|could|would) you )*"
_ENGLISH: Final = (
    rf"{_ASKS}(?:unsubscribe|opt out)(?: me)?(?: from {_LIST})?(?: please)?",
    rf"{_ASKS}(?:remove|delete|take) (?:me|my (?:name|address|e[ -]?mail|e[ -]?mail address))"
    rf" (?:from|off(?: of)?) {_LIST}(?: please)?",
    rf"i (?:no longer|do not|don t) (?:want|wish) to (?:receive|get)(?: any| more| these| your| such)* {_LETTERS}"
    r"(?: any ?more| from you)*",
    rf"(?:please )?stop (?:e[ -]?mailing|mailing|writing to|writing|contacting|sending) me"
    rf"(?: any| more| these| your| such)*(?: {_LETTERS})?(?: please)?",
    rf"(?:please )?(?:do not|don t) (?:send|e[ -]?mail|write to|write|contact) me(?: any| more| these| your| such)*"
    rf"(?: {_LETTERS})?(?: any ?more| again)?(?: please)?",
    rf"no more {_LETTERS}(?: please)?",
    rf"{_ASKS}be (?:removed|unsubscribed|taken) (?:from|off) {_LIST}",
    rf"(?:please )?stop (?:these|your|this|all) {_LETTERS}(?: please)?",
    rf"i (?:do not|don t|no longer) want (?:these|your|this|any more) {_LETTERS}(?: any ?more)?",
)
_CYRILLIC: Final = (
    r"(?:пожалуйста )?отпишите(?: меня)?(?: от (?:вашей )?рассылки)?(?: пожалуйста)?",
    r"отписаться|отписка",
    r"(?:я )?(?:больше )?не (?:хочу|желаю) (?:больше )?получать (?:ваши |вашу |эти |эту )?"
    r"(?:письма|рассылку|сообщения|новости)(?: больше)?",
    r"не пишите мне(?: больше)?",
    r"(?:пожалуйста )?удалите меня из (?:вашей |вашего |этой )?(?:рассылки|списка)(?: пожалуйста)?",
    r"(?:будь ласка )?відпишіть(?: мене)?|відписатися",
    r"(?:молим )?одјавите? ме|одјава",
)
_GERMANIC: Final = (
    r"(?:bitte )?(?:abmelden|abbestellen|austragen)(?: bitte)?|abmeldung",
    r"(?:bitte )?melden sie mich (?:bitte )?(?:vom newsletter |von der liste )?ab",
    r"(?:bitte )?(?:nehmen|streichen|löschen|entfernen) sie mich (?:bitte )?(?:aus|von) "
    r"(?:dem|ihrem|der|ihrer|diesem|dieser) (?:verteiler|liste|newsletter|mailingliste)",
    r"(?:bitte )?keine (?:weiteren )?(?:e[ -]?mails?|mails|newsletter|nachrichten)(?: mehr)?(?: bitte)?",
    r"(?:gelieve |graag )?(?:mij )?(?:uitschrijven|afmelden)(?: a u b| aub| alstublieft)?",
    r"avprenumerera|avregistrera(?: mig)?|afmeld(?: mig)?|avmeld(?: meg)?",
)
_ROMANCE: Final = (
    r"(?:merci de |veuillez )?(?:me )?(?:désabonner|désinscrire)(?: s il vous plaît| svp)?",
    r"désabonnement|désinscription",
    r"(?:désabonnez|désinscrivez)[ -]moi(?: s il vous plaît| svp)?",
    r"je ne (?:souhaite|veux) plus recevoir (?:vos|ces|de) (?:messages|e[ -]?mails|mails|courriels)",
    r"(?:por favor )?(?:quiero |deseo )?(?:darme|denme|dar|dame) de baja(?: por favor)?",
    r"(?:por favor )?cancelar (?:la |mi )?suscripción",
    r"(?:por favor )?cancelar (?:a |minha )?(?:inscrição|subscrição|assinatura)",
    r"(?:per favore )?(?:desidero |vorrei )?(?:cancellatemi|cancellami|disiscrivetemi|disiscrivermi)"
    r"(?: dalla (?:lista|newsletter|mailing list))?|disiscrizione",
    r"(?:vă rog )?(?:să mă )?dezabona(?:re|ți|ți mă)",
)
_OTHERS: Final = (
    r"aboneliğimi iptal edin|abonelikten çık(?:mak istiyorum)?|listeden çıkar(?:ın)?",
    r"(?:proszę )?(?:o )?(?:wypisać|wypiszcie|wypisanie|wypisz)(?: mnie)?(?: z (?:listy|newslettera|subskrypcji))?",
    r"(?:prosím )?(?:odhlásit|odhlaste mě|odhlásiť|odhláste ma)",
    r"leiratkozás|leiratkozom",
    r"(?:παρακαλώ )?διαγράψτε με|διαγραφή|απεγγραφή",
    r"(?:molim )?odjavite? me|odjava",
    r"peruuta tilaus|poistakaa minut(?: listalta)?",
)
STOPS: Final = re.compile(
    "|".join((*_BULGARIAN, *_ENGLISH, *_CYRILLIC, *_GERMANIC, *_ROMANCE, *_OTHERS)), re.IGNORECASE
)
