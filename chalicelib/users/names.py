"""Names that nobody may take, because they pretend to be somebody else's."""

import unicodedata
from collections.abc import Iterable

from chalicelib.errors import ValidationFailed
from chalicelib.users.models import DELETED_NAME

PRODUCT = "Parley"

ROLES = (
    "abuse admin administration administrator administrators admins anonymous api billing bot"
    " contact customercare customerservice customersupport everyone help helpdesk hostmaster info"
    " legal mod moderation moderator moderators mods noreply notifications official operator owner"
    " payments postmaster privacy root safety security staff superuser support sysadmin system team"
    " webmaster"
)
"""Usernames that sound like those who run the service. A display name may be one, as it is shown
beside a username. Neither may be one of them beside a brand."""

# By Latin letter, what looks like it and has no decomposition: of Unicode's confusables (UTS #39)
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
# Letters in a circle or square, white on black, and those that flags are made of.
_LATIN |= {
    first + place: chr(ord("a") + place)
    for first in (0x1F150, 0x1F170, 0x1F1E6)
    for place in range(26)
}


class ReservedNames:
    """`brands` are reserved besides our own name. It is asked about new names only: whoever has one
    of these already keeps it."""

    def __init__(self, brands: Iterable[str] = ()) -> None:
        ours = {skeleton(brand) for brand in (PRODUCT, *brands)} - {""}
        roles = {skeleton(role) for role in ROLES.split()}
        together = {
            pair for brand in ours for role in roles for pair in (brand + role, role + brand)
        }
        self._display_names = {skeleton(DELETED_NAME)} | ours | together
        self._usernames = self._display_names | roles

    def refuse_username(self, name: str) -> None:
        """Raises ValidationFailed for a reserved one."""
        if skeleton(name) in self._usernames:
            raise _reserved("username", "This username is reserved. Choose another one.")

    def refuse_display_name(self, name: str) -> None:
        """Raises ValidationFailed for a reserved one."""
        if self.pretends(name):
            raise _reserved("display_name", "This name is reserved. Choose another one.")

    def pretends(self, display_name: str) -> bool:
        """Whether a display name is reserved."""
        return skeleton(display_name) in self._display_names


def skeleton(name: str) -> str:
    """What two names have in common if they look alike: case, accents, separators, and which of
    similar letters or digits it is do not count. It is for comparing, never for showing."""
    latin = unicodedata.normalize("NFKC", name).translate(_LATIN).casefold()
    plain = unicodedata.normalize("NFD", latin).translate(_LATIN)
    letters = "".join(char for char in plain if char.isalnum())
    return letters.replace("rn", "m").replace("vv", "w")


def _reserved(field: str, message: str) -> ValidationFailed:
    return ValidationFailed([{"field": field, "message": message}])
