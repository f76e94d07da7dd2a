"""Tokens: keyed hashes that stand for identifiers everywhere after this stage.

    token = first 128 bits of HMAC-SHA-256(key, kind || 0x00 || identifier), as 32 hexadecimal digits

Guarantees: the same identifier of the same kind has the same token wherever and whenever it is made, so masked records still join; without
the key a token cannot be checked against a guess, although card numbers are few enough to try them all; tokens of different kinds of one
identifier cannot be linked; n identifiers of one kind share a token by accident with probability below n^2 / 2^129 (n = 10^9: 2e-21).

Whoever holds the key can test guesses: a token is a pseudonym, not anonymity. PCI DSS 4.0.1 requirement 3.5.1.1 asks for a keyed hash of
the whole card number; no other part of a card number is kept beside it.
"""

from __future__ import annotations

import hmac
import secrets
import stat
from enum import StrEnum
from pathlib import Path

from veilocity.errors import SettingsError

__all__ = ["TokenKind", "Tokeniser", "generate_key_file"]

_KEY_BYTES = 32
_TOKEN_BYTES = 16
_SECRET_MOUNT = Path("/run/secrets")


class TokenKind(StrEnum):
    """What an identifier identifies: its own domain of tokens."""

    SUBJECT = "subject"
    CARD = "card"
    DEVICE = "device"
    USER = "user"
    TRANSACTION = "transaction"
    ALERT = "alert"


_PREFIXES = {kind: kind.value.encode() + b"\x00" for kind in TokenKind}


class Tokeniser:
    """Makes tokens with one key; the key itself is never printed, compared or pickled.

    >>> tokeniser = Tokeniser(bytes(range(32)))
    >>> tokeniser.token(TokenKind.CARD, "4111111111111111")
    '4ccba6bae70bd097a5dd85cb5e0d9262'
    >>> tokeniser.token(TokenKind.CARD, "7") == tokeniser.token(TokenKind.USER, "7")
    False
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """Hold the key.

        Args:
            key: 32 bytes.

        Raises:
            SettingsError: another length.
        """
        if len(key) != _KEY_BYTES:
            raise SettingsError(f"the token key has {len(key)} bytes instead of {_KEY_BYTES}: make a new file with `openssl rand -hex 32`")
        self._key = key

    @classmethod
    def from_file(cls, path: Path) -> Tokeniser:
        """Read the key: 64 hexadecimal digits, readable by its owner only.

        A file below /run/secrets may be readable by all: such a mount belongs to one container.

        Raises:
            SettingsError: missing, open to other users, or not a key.
        """
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as cause:
            message = f"the token key file {path} cannot be read ({type(cause).__name__}): make one with `openssl rand -hex 32`"
            raise SettingsError(message) from cause
        if mode & (stat.S_IRWXG | stat.S_IRWXO) and not path.resolve().is_relative_to(_SECRET_MOUNT):
            raise SettingsError(f"the token key file {path} is open to other users: run `chmod 600 {path}`")
        try:
            key = bytes.fromhex(text)
        except ValueError:
            # Without the cause: its message may show a part of the key.
            raise SettingsError(f"the token key file {path} does not hold hexadecimal digits: `openssl rand -hex 32` makes them") from None
        return cls(key)

    def token(self, kind: TokenKind, identifier: str) -> str:
        """Return the token of an identifier: 32 hexadecimal digits."""
        return hmac.digest(self._key, _PREFIXES[kind] + identifier.encode("utf-8", "surrogatepass"), "sha256")[:_TOKEN_BYTES].hex()

    def check_value(self) -> str:
        """Return 8 hexadecimal digits that differ for another key and tell nothing of this one."""
        return hmac.digest(self._key, b"check value", "sha256")[:4].hex()

    def __repr__(self) -> str:
        return "Tokeniser(key hidden)"

    def __reduce__(self) -> str:
        # A pickle would carry the key into plans, logs and checkpoints.
        raise TypeError("a tokeniser is not pickled: let each process read the key file")


def generate_key_file(path: Path) -> None:
    """Write a new random key, readable by its owner only; a file that is there is never overwritten.

    Raises:
        FileExistsError: the file is there.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
