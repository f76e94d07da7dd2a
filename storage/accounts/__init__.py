"""Who may log in to the dashboard: accounts with a role, sessions, and the limit on guessing, all in MongoDB.

- Passwords are kept as Argon2id hashes alone, tokens of sessions as SHA-256 alone.
- Every process of the dashboard sees the same: logging out, disabling and a new password are in force with the next request everywhere.
- Guessing is slowed down by address and by account, and no stranger can lock somebody out for long (`storage.accounts.limiter`).
"""

from storage.accounts.model import Account, account_name
from storage.accounts.passwords import random_password
from storage.accounts.sessions import Visitor, forgery_token
from storage.accounts.store import AccountStore, Login, LoginDoor

__all__ = ["Account", "AccountStore", "Login", "LoginDoor", "Visitor", "account_name", "forgery_token", "random_password"]
