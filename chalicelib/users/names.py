"""Reserved names: they look like those of the service or of its staff."""

import re
import unicodedata
from collections.abc import Iterable

from chalicelib.errors import ValidationFailed
from chalicelib.text.sentences import problem
from chalicelib.users.models import DELETED_NAME

PRODUCT = "Parley"

ROLES = (
    "abuse admin administration administrator administrators admins anonymous api billing bot"
    " contact customercare customerservice customersupport everyone help helpdesk hostmaster info"
    " legal mod moderation moderator moderators mods noreply notifications official operator owner"
    " payments postmaster privacy root safety security staff superuser support sysadmin system team"
    " webmaster"
)
"""Usernames that sound like staff. A display name may be one of these, because it is shown with the
username. Neither may combine one with a brand."""

# By Latin letter, similar characters without a decomposition: from Unicode's confusables (UTS #39)
# the letters that can spell whole words, and digits and signs that stand for letters.
_LOOKALIKES = {
    "a": "4@аαɑᴀᎪ",
    "b": "8вьβʙ",
    "c": "сϲᴄᏟ",
    "d": "ԁđɗᴅժᎠ",
    "e": "3€еєεᴇᎬ",
    "f": "ғꜰ",
    "g": "9ԍɡɢցᏀ",
    "h": "һнհʜΗᎻ",
    "j": "јյȷᴊᎫ",
    "k": "кκᴋᏦ",
    "l": "1i|!іӏιɪıłʟլǀᏞᎥ",
    "m": "мᴍᎷ",
    "n": "пηոռɴΝ",
    "o": "0оοօσøᴏⲟᎾ",
    "p": "рρᴘᏢ",
    "q": "ԛգզ",
    "r": "гʀᎡ",
    "s": "5$ѕꜱᏚ",
    "t": "7тτᴛᎢ",
    "u": "цυսᴜʋ",
    "v": "ѵνᴠᏙ",
    "w": "ѡԝωᴡᎳ",
    "x": "хχ",
    "y": "уүγʏΥᎩ",
    "z": "2ᴢᏃ",
}
_LATIN = str.maketrans({char: to for to, chars in _LOOKALIKES.items() for char in chars})
# Letters in a circle or square, white on black, and the letters of flags.
_LATIN |= {
    first + place: chr(ord("a") + place)
    for first in (0x1F150, 0x1F170, 0x1F1E6)
    for place in range(26)
}

# Lisu capitals look like Latin ones.
_LISU = (
    "\ua4ee\ua4d0\ua4da\ua4d3\ua4f0\ua4dd\ua4d6\ua4e7\ua4f2\ua4d9\ua4d7\ua4e1\ua4df"
    "\ua4e0\ua4f3\ua4d1\ua4e3\ua4e2\ua4d4\ua4f4\ua4e6\ua4ea\ua4eb\ua4ec\ua4dc"
)
_LATIN |= dict(zip(map(ord, _LISU), "abcdefghljklmnoprstuvwxyz", strict=True))
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_MARKS = {0x2120: None, 0x2122: None}  # SM and TM, which NFKC makes letters


class ReservedNames:
    """`brands` are reserved besides our own name. Only new names are checked: a user who
    already has one of these keeps it."""

    def __init__(self, brands: Iterable[str] = ()) -> None:
        ours = {
            skeleton(form) for brand in (PRODUCT, *brands) for form in (brand, _bare(brand))
        } - {""}
        roles = {skeleton(role) for role in ROLES.split()}
        together = {
            pair for brand in ours for role in roles for pair in (brand + role, role + brand)
        }
        self._display_names = {skeleton(DELETED_NAME)} | ours | together
        self._usernames = self._display_names | roles

    def refuse_username(self, name: str) -> None:
        """Raises ValidationFailed for a reserved name."""
        if skeleton(name) in self._usernames:
            raise _reserved("username", "This username is reserved. Choose another one.")

    def refuse_display_name(self, name: str) -> None:
        """Raises ValidationFailed for a reserved name."""
        if self.pretends(name):
            raise _reserved("display_name", "This name is reserved. Choose another one.")

    def pretends(self, display_name: str) -> bool:
        """Whether a display name is reserved."""
        forms = (skeleton(display_name), skeleton(_bare(display_name)))
        return not self._display_names.isdisjoint(forms)


def _bare(name: str) -> str:
    """Without signs at both ends: there they do not stand for letters, as ! does inside a name."""
    return _EDGES.sub("", name.translate(_MARKS))


def skeleton(name: str) -> str:
    """The same text for all names that look alike. It has no case, accents or separators, and one
    letter for each group of similar characters. It is for comparing, never for showing."""
    latin = unicodedata.normalize("NFKC", name).translate(_LATIN).casefold()
    plain = unicodedata.normalize("NFD", latin).translate(_LATIN)
    letters = "".join(char for char in plain if char.isalnum())
    return letters.replace("rn", "m").replace("vv", "w")


def _reserved(field: str, message: str) -> ValidationFailed:
    return ValidationFailed([problem(field, "reserved", message)])
