"""The words of returned mail in the languages of our readers and their neighbours, beside the English of most servers.

Tables alone: `bounce_words` joins them to its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Reason -> what says so.
REASONS: Final[Mapping[str, str]] = {
    "mailboxfull": r"postfach[^.\n]{0,60}(?:voll|überfüllt)|speicherplatz|quota überschritten|"
    r"boîte[^.\n]{0,60}(?:pleine|saturée)|buz[oó]n[^.\n]{0,60}lleno|casella[^.\n]{0,60}piena|"
    r"caixa[^.\n]{0,60}cheia|skrzynka[^.\n]{0,60}(?:pełna|przepełniona)|cutia[^.\n]{0,60}plină|"
    r"posta kutusu[^.\n]{0,40}dolu|postbus[^.\n]{0,40}\bvol\b|schránka[^.\n]{0,40}(?:plná|zaplněn)|"
    r"postafiók[^.\n]{0,40}(?:megtelt|\btele\b)|γραμματοκιβώτιο[^.\n]{0,40}πλήρ|сандуче[^.\n]{0,40}полно|"
    r"sanduče[^.\n]{0,40}puno|inkorg[^.\n]{0,40}full",
    "suspend": r"(?:профил|акаунт|сметка|кутия)\w{0,24}[^.\n]{0,40}(?:неактив|закрит|блокиран|деактивиран|спрян|"
    r"замразен)|"
    r"учетная запись[^.\n]{0,40}(?:заблок|отключ)|konto[^.\n]{0,40}(?:gesperrt|deaktiviert)|"
    r"compte[^.\n]{0,40}(?:désactivé|suspendu)|cuenta[^.\n]{0,40}(?:desactivad|suspendid)|"
    r"account[^.\n]{0,40}(?:disattivat|sospes)|konto[^.\n]{0,40}(?:zablokowan|zawieszon)",
    "userunknown": r"(?:adresse|empf(?:ä|ae)nger|benutzer|postfach)\w{0,24}[^.\n]{0,60}(?:existiert nicht|unbekannt|"
    r"nicht gefunden|nicht mehr verf(?:ü|ue)gbar)"
    r"|unbekannter benutzer|(?:adresse|bo[iî]te|compte)[^.\n]{0,60}(?:introuvable|n.existe pas|inconnue?|"
    r"inexistante?)|"
    r"(?:utilisateur|destinataire) inconnu|"
    r"(?:dirección|usuario|destinatario|buz[oó]n|cuenta)[^.\n]{0,60}(?:no existe|desconocid|inexistente|"
    r"no se (?:ha )?enc)|"
    r"(?:utente|indirizzo|destinatario|casella)[^.\n]{0,60}(?:sconosciut|inesistent|non esiste|non (?:è stat\w )?"
    r"trovat)|"
    r"(?:utilizador|usuário|endereço|destinatário|conta)[^.\n]{0,60}(?:não existe|desconhecid|inexistente|"
    r"não (?:foi )?encontrad)|"
    r"nieznany (?:użytkownik|adres|odbiorca)|nie ma takiego (?:użytkownika|adresu|konta)|"
    r"(?:adres|u[żz]ytkownik|odbiorca)[^.\n]{0,60}nie istnieje|"
    r"utilizator\w{0,24} (?:necunoscut|inexistent|nu exist[ăa])|nu exist[ăa] (?:acest )?utilizator|"
    r"adres[ae][^.\n]{0,40}nu (?:există|a fost găsit)|"
    r"adres\w{0,24}[^.\n]{0,40}bulunamadı|kullanıcı (?:bulunamadı|yok)|(?:korisnik|primalac|adresa) ne postoji|"
    r"(?:корисник(?:от)?|прималац|адреса(?:та)?) не пост(?:ои|оји)|άγνωστος (?:χρήστης|παραλήπτης)|"
    r"(?:χρήστης|διεύθυνση|παραλήπτης)[^.\n]{0,40}δεν (?:υπάρχει|βρέθηκε)|onbekende (?:gebruiker|ontvanger)|"
    r"(?:gebruiker|adres|ontvanger)[^.\n]{0,40}(?:bestaat niet|onbekend|niet gevonden)|"
    r"(?:uživatel|adresa|adresát)\w{0,24}[^.\n]{0,40}neexistuje|ismeretlen (?:felhasználó|címzett)|"
    r"okänd (?:användare|mottagare)|ukendt (?:bruger|modtager)|ukjent (?:bruker|mottaker)|"
    r"tuntematon (?:käyttäjä|vastaanottaja)|no se ha encontrado (?:la dirección|el (?:usuario|destinatario))|"
    r"nie (?:znaleziono|odnaleziono) (?:adresu|użytkownika|odbiorcy)|adress\w{0,24} (?:hittades inte|blev ikke fundet|"
    r"ble ikke funnet)|osoitetta ei löy|adresa nebyla nalezena|cím nem található|adresa nije pronađena|"
    r"адрес\w{0,24}[^.\n]{0,40}не (?:знайдено|існує)|користувача не (?:знайдено|існує)|адрес\w{0,24} (?:није пронађена|"
    r"не е пронајдена)|(?:användar|mottagar|adress|bruger|modtager|bruker|mottaker)\w{0,24}[^.\n]{0,40}(?:finns inte|"
    r"findes ikke|finnes ikke)|ei ole olemassa|(?:felhasználó|címzett|cím) nem létezik|"
    r"(?:帐号|账号|帳號|用户|用戶|收件人|邮箱|郵箱|地址)[^。\n]{0,20}(?:不存在|未找到|找不到)|(?:查|无|無)此(?:用户|用戶|人)|"
    r"(?:ユーザー?|宛先|アドレス|メールボックス)[^。\n]{0,40}(?:見つかりま|存在しま|不明)|"
    r"존재하지 않는 (?:사용자|주소|계정)|사용자를 찾을 수 없",
    "hostunknown": r"dom(?:äne|ain)\w{0,24}[^.\n]{0,40}(?:existiert nicht|unbekannt)|"
    r"domaine[^.\n]{0,40}(?:introuvable|n.existe)|dominio[^.\n]{0,40}(?:no existe|non esiste|inesistent)|"
    r"dom[eé]n\w{0,24}[^.\n]{0,40}(?:nie istnieje|neexistuje|nu există)",
    "spamdetected": r"нежелан\w{0,24} поща|als spam|indésirable|correo no deseado|posta indesiderata|спам",
}
#: What a server says that did not deliver, as subject or in the text.
NOT_DELIVERED: Final = (
    r"non (?:distribué|remis)|n.a pas pu être (?:remis|distribué|délivré|livré|envoyé)|"
    r"échec de (?:la )?(?:remise|livraison)|"
    r"no se (?:pudo|puede|ha podido) entregar|no (?:fue |ha sido )?entregad|error de entrega|"
    r"(?:impossibile|non è stato possibile) (?:recapitare|consegnare)|non recapit|mancat\w (?:recapito|consegna)|"
    r"não (?:pôde ser |foi |p\w{1,40} )?entreg|falha na entrega|nie (?:można|udało się|została|mogła być) dostarcz|"
    r"niedostarcz|nelivrat|nu a putut fi livrat|teslim edilemedi|iletilemedi|nije (?:mogla biti |bila )?isporučen|"
    r"није (?:могла бити |била )?испоручен|не е испорачан|δεν (?:παραδόθηκε|ήταν δυνατή)|αδυναμία παράδοσης|"
    r"niet (?:worden )?(?:bezorgd|afgeleverd|besteld)|onbestelbaar|nedoručiteln|nelze doručit|"
    r"(?:nebyla|nebylo) doručen|"
    r"kézbesíthetetlen|nem (?:sikerült )?kézbesít|kunde inte levereras|kunne ikke leveres|ei voitu toimittaa|"
    r"не (?:удается|удаётся|удалось) доставить|сбой доставки|не (?:вдалося|вдається) доставити|"
    r"не (?:був|була|було|може бути) доставлен|"
    r"не (?:было |была |может быть |удалось )?доставлен|недоставлен|nicht (?:zugestellt|ausgeliefert)|unzustellbar"
)
#: Before an address that is only to be asked or tried, and did not fail.
ADVICE: Final = (
    r"(?:contact|write to|e-?mail(?: us)?(?: at)?|questions?|help|support|forward(?:ed)?(?: it)? to|such as|"
    r"e\.g\.|try\b|"
    r"пишете|обърнете се|свържете се|въпроси|например|обратитесь|напишите|kontakt\w{0,24}|wenden sie sich|contactez|"
    r"contacte|contatt\w{1,40}|skontaktuj)[^<\n]{0,60}[<(\"']?$"
)
