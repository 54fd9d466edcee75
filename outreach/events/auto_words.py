"""The subjects of programs that answer by themselves and say so in no header (RFC 3834): tables alone; `mail` applies.

A person's letter must never be taken for one: what people write under such words as well is no word here.
"""

from __future__ import annotations

import re
from typing import Final

from outreach.events.bounce_words import TAGS

#: "Automatic reply", as mail servers set it before the subject answered.
_REPLY: Final = (
    r"auto(?:matic|mated)?[ -]?(?:reply|response|answer)|auto|autoantwort|autosvar|automatische antwort|"
    r"automatische abwesenheitsnotiz|abwesenheitsnotiz|automatisch antwoord|afwezigheidsbericht|automatiskt? svar|"
    r"automaattinen vastaus|réponse automatique(?: d['’]absence)?|message d['’]absence|respuesta automática|"
    r"resposta automática|resposta automàtica|risposta automatica|odpowiedź automatyczna|"
    r"automatyczna odpowiedź|autoodpowiedź|"
    r"automatick[áé] odpov[eě](?:[dď]|di)|automatikus válasz|răspuns automat|αυτόματη απάντηση|otomatik yanıt|"
    r"automatski odgovor|samodejni odgovor|automatinis atsakymas|automātisk[āa] atbilde|automaatvastus|"
    r"automaatne vastus|svar automatisk|trả lời tự động|balasan otomatis|"
    r"(?:аутоматски|автоматски) одговор|автоматич(?:ен|ни) отговор(?: при отсъствие)?|"
    r"автоматично (?:съобщение|известие)|автоотговор|автоответ|автоматический ответ|автоматична відповідь|"
    r"自動(?:応答|返信)|自动(?:答复|回复)|自動回覆|자동 ?(?:회신|응답)|תשובה אוטומטית|מענה אוטומטי|رد تلقائي"
)
#: "Out of office", and what else tells that somebody is away.
_AWAY: Final = (
    r"out of (?:the )?office(?: auto-?reply)?|ooo|away from (?:my|the) office|(?:i['’]?(?: a)?m )?(?:away|on vacation)|"
    r"i['’]?(?: a)?m out of (?:the )?office|vacation (?:reply|notice)|"
    r"(?:i['’]?(?: a)?m )?on (?:\w{4,9} )?(?:leave|holiday)|"
    r"(?:annual|maternity|parental|sick) leave|vacation|"
    r"извън (?:съм )?(?:от )?офиса(?: съм)?|(?:не съм|няма ме) в офиса|отсъствам(?: от офиса)?|отсъствие(?: от офиса)?|"
    r"(?:аз )?(?:съм |ще бъда )?в (?:годишен |платен )?отпуск(?: съм)?|отпуск|в командировка(?: съм)?|"
    r"в болничен(?: съм)?|вне офиса|(?:я )?в (?:отпуске|командировке)|отсутствие на (?:рабочем месте|работе)|"
    r"у відпустці|abwesend|abwesenheit|(?:ich )?bin (?:im urlaub|außer haus|nicht im büro)|im urlaub|außer haus|"
    r"urlaub|ferien|absence du bureau|absent|je suis (?:absente?|en congés?|en vacances)|en congés?|absence|congés|"
    r"vacances|fuera de (?:la )?oficina|(?:estoy )?de vacaciones|vacaciones|ausente|fora do escritório|"
    r"ausência(?: temporária)?|fuori (?:sede|ufficio)|assente|ferie|afwezig|niet op kantoor|frånvarande|frånvaro|"
    r"ikke på kontoret|fraværende|fraværsmelding|poissa|poza biurem|nieobecność|urlop|mimo kancelář|mimo kancelárie|"
    r"házon kívül|ofis dışında|εκτός γραφείου"
)
#: What follows the one: the subject answered, a remark, nothing.
_BREAK: Final = r"(?:\]|\s*(?:[:：(\[–—-]|$|(?:re|from|от|von|de|da) ?\b))"
#: And the other, which also tells until when.
_UNTIL: Final = (
    r"(?:[.!]|\]?\s*(?:[:：(\[–—-]|re:|$)|\s(?:until|till|through|from|since|до|от|с|по|bis|vom|ab|jusqu|du|hasta|até|"
    r"fino|dal|tot|vanaf|till|til|do|od)\b.{0,40}\d)"
)
AUTOMATIC_REPLY: Final = re.compile(rf"{TAGS}\[?(?:{_REPLY}){_BREAK}", re.I)
AWAY: Final = re.compile(rf"{TAGS}(?:{_AWAY}){_UNTIL}", re.I)
