"""The studio's page, API and files over HTTP."""
