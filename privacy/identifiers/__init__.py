"""What stands for an identifier: keyed tokens, format-preserving ciphers, card numbers cut as PCI allows, and sealed evidence.

Every secret comes from a key ring with versions; nothing here is ever an unkeyed hash.
"""

__all__: list[str] = []
