"""Reports as receivers mail them: of DMARC and of TLS, packed as they are, and packed to do harm."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from email.message import EmailMessage
from typing import Any

RECORD = """<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated>
<disposition>{disposition}</disposition><dkim>{dkim}</dkim><spf>{spf}</spf>{reason}</policy_evaluated></row>
<identifiers><envelope_from>plovdiv.bg</envelope_from><header_from>plovdiv.bg</header_from></identifiers>
<auth_results><dkim><domain>plovdiv.bg</domain><selector>r</selector><result>{dkim}</result></dkim>
<spf><domain>plovdiv.bg</domain><result>{spf}</result></spf></auth_results></record>"""


def record(
    ip: str, count: int, *, dkim: str = "pass", spf: str = "pass", disposition: str = "none", reason: str = ""
) -> str:
    reason = f"<reason><type>{reason}</type><comment>x</comment></reason>" if reason else ""
    return RECORD.format(ip=ip, count=count, dkim=dkim, spf=spf, disposition=disposition, reason=reason)


def dmarc(
    *records: str, domain: str = "plovdiv.bg", number: str = "1", begin: int = 1_700_000_000, head: str = ""
) -> bytes:
    """As Google writes them."""
    return f"""<?xml version="1.0" encoding="UTF-8" ?>{head}
<feedback><version>1.0</version><report_metadata><org_name>google.com</org_name><email>noreply@google.com</email>
<report_id>{number}</report_id><date_range><begin>{begin}</begin><end>{begin + 86399}</end></date_range>
</report_metadata>
<policy_published><domain>{domain}</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct>
</policy_published>{"".join(records)}</feedback>""".encode()


def tls(*failures: dict[str, Any], domain: str = "plovdiv.bg", number: str = "t1", good: int = 100) -> bytes:
    """RFC 8460, appendix B."""
    policy = {
        "policy-type": "sts",
        "policy-string": ["version: STSv1"],
        "policy-domain": domain,
        "mx-host": ["*.plovdiv.bg"],
    }
    failed = sum(failure["failed-session-count"] for failure in failures)
    summary = {"total-successful-session-count": good, "total-failure-session-count": failed}
    return json.dumps(
        {
            "organization-name": "Company-X",
            "date-range": {"start-datetime": "2023-11-14T00:00:00Z", "end-datetime": "2023-11-14T23:59:59Z"},
            "contact-info": "sts-reporting@company-x.example",
            "report-id": number,
            "policies": [{"policy": policy, "summary": summary, "failure-details": list(failures)}],
        }
    ).encode()


EXPIRED = {
    "result-type": "certificate-expired",
    "sending-mta-ip": "2001:db8:abcd:12::1",
    "receiving-mx-hostname": "mx1.plovdiv.bg",
    "failed-session-count": 7,
}


def zipped(name: str, data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return packed.getvalue()


def mail(data: bytes, media_type: str, name: str, **headers: str) -> bytes:
    """The mail that carries it."""
    letter = EmailMessage()
    subject = "Report Domain: plovdiv.bg Submitter: google.com Report-ID: 1"
    usual = {"From": "noreply@google.com", "To": "replies@plovdiv.bg", "Subject": subject, "Message-ID": f"<{name}@g>"}
    for field, value in {**usual, **headers}.items():
        letter[field] = value
    letter.set_content("This is an aggregate report.")
    maintype, _, subtype = media_type.partition("/")
    letter.add_attachment(data, maintype=maintype, subtype=subtype, filename=name)
    return bytes(letter)


def dmarc_mail(*records: str, **options: Any) -> bytes:
    """Packed with gzip, as most are."""
    number = options.get("number", "1")
    return mail(gzip.compress(dmarc(*records, **options)), "application/gzip", f"google.com!plovdiv.bg!{number}.xml.gz")


def tls_mail(*failures: dict[str, Any], **options: Any) -> bytes:
    data = gzip.compress(tls(*failures, **options))
    return mail(
        data, "application/tlsrpt+gzip", "r.json.gz", **{"TLS-Report-Domain": "plovdiv.bg", "Subject": "Report"}
    )
