"""What stands for an identifier: keyed tokens, format-preserving ciphers, card numbers cut as PCI allows, and sealed evidence.

Every secret comes from a key ring with versions; nothing here is ever an unkeyed hash.
"""

from privacy.identifiers.card_tokens import CardCipher
from privacy.identifiers.ff1 import FF1
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.identifiers.sealing import Sealer, SubjectKeyStore

__all__ = ["FF1", "CardCipher", "KeyRing", "Pseudonymiser", "Sealer", "SubjectKeyStore"]
