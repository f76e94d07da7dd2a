"""The messages of the bank project as they are: payments and places, keys with spaces, local times."""

from ingest.bank.locations import BANK_LOCATIONS, locations_of
from ingest.bank.profile import Bank, bank_of
from ingest.bank.transactions import BANK_TRANSACTIONS, parse

__all__ = ["BANK_LOCATIONS", "BANK_TRANSACTIONS", "Bank", "bank_of", "locations_of", "parse"]
