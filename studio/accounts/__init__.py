"""Accounts: who somebody is, how that is shown, and how often it may be tried.

Secrets (passwords, session tokens, links, API tokens) are in the database as hashes only, and never in a log.
What is answered to a stranger never depends on whether an address has an account.
"""

from __future__ import annotations

from .addresses import normal_address
from .api_tokens import create_token, list_tokens, revoke_token, user_of_token
from .changing import set_language, set_password
from .limits import limit
from .links import ask_link, link_url, open_link, peek_link
from .passwords import check_new_password
from .results import open_results_link, results_link
from .sessions import begin_session, check_csrf, csrf_token, end_all_sessions, end_session, user_of_session
from .signing import create_user, sign_in, sign_up

__all__ = [
    "ask_link",
    "begin_session",
    "check_csrf",
    "check_new_password",
    "create_token",
    "create_user",
    "csrf_token",
    "end_all_sessions",
    "end_session",
    "limit",
    "link_url",
    "list_tokens",
    "normal_address",
    "open_link",
    "open_results_link",
    "peek_link",
    "results_link",
    "revoke_token",
    "set_language",
    "set_password",
    "sign_in",
    "sign_up",
    "user_of_session",
    "user_of_token",
]
