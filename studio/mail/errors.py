"""Why a mail was not sent, sorted by what follows from it.

MailError
├── MailLater            the server says "not now" of this mail (4xx): try again later
├── MailNever            it says "never" (5xx), or the mail cannot be written: give up, with the reason
├── MailServerTrouble    not about this mail: no connection, a certificate, a password: try all again later
├── MailUnclear          it broke while the server had the mail: never again, an operator sees it
└── ClaimLost            another process has taken the row over: leave it alone
"""

from __future__ import annotations


class MailError(Exception):
    """Root. Its text names no address and no link."""


class MailLater(MailError):
    """Try this one again."""


class MailNever(MailError):
    """Give this one up."""


class MailServerTrouble(MailError):
    """Try everything again."""


class MailUnclear(MailError):
    """The server may have accepted it."""


class ClaimLost(MailError):
    """The row is somebody else's now."""
