"""E-mail addresses: one canonical text for each mailbox.

An address is stored, compared and used in ASCII and lower case, with its domain in A-labels (RFC
5890). The domain is read by UTS #46 and checked by IDNA 2008 (RFC 5891). The part before the @
stays ASCII, since Amazon SES sends no mail to others (it does not speak SMTPUTF8, RFC 6531).
"""

import re

from chalicelib.text.sentences import wrong

MAX_ADDRESS = 254
"""Characters of an address (RFC 5321, section 4.5.3.1.3, without the angle brackets)."""

# The HTML standard's idea of a valid address: it has one @, a plain local part, and a domain made
# of labels; we ask for at least two of these. Whether mail arrives is not known.
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")


def canonical(value: str) -> str:
    """The one text of an address. Raises ValueError, with a sentence for people, unless it looks
    like an address that mail can be sent to."""
    if len(value) > MAX_ADDRESS:  # before any work that takes longer for longer text
        raise wrong("too_long", "An e-mail address has at most 254 characters.", max=MAX_ADDRESS)
    local, _, domain = value.rpartition("@")
    if not local.isascii():
        raise wrong(
            "email_not_ascii",
            "We cannot send mail to this address: before the @ it may have only the letters a-z, "
            "digits and signs of ASCII.",
        )
    domain = _ascii(domain)
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise wrong("not_an_email", "This is not an e-mail address. Write it like ana@example.org.")
    address = f"{local.lower()}@{domain}"
    if len(address) > MAX_ADDRESS:
        raise wrong("too_long", "An e-mail address has at most 254 characters.", max=MAX_ADDRESS)
    return address


def shown(address: str) -> str:
    """A canonical address as people write it: its domain in Unicode."""
    if "xn--" not in address:
        return address
    import idna

    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{'.'.join(map(idna.ulabel, domain.split('.')))}"
    except idna.IDNAError:  # an old domain that was stored without a check
        return address


def _ascii(domain: str) -> str:
    """A domain in A-labels. It may still be invalid."""
    if domain.isascii() and "xn--" not in domain.lower():
        return domain.lower()
    import idna  # imported here because it takes 30 ms

    try:
        mapped = idna.uts46_remap(domain, std3_rules=False, transitional=False)
        return ".".join(idna.alabel(label).decode() for label in mapped.split("."))
    except idna.IDNAError:
        raise wrong(
            "not_a_domain",
            "The part after the @ is not the name of a domain. Check it for typing mistakes.",
        ) from None
