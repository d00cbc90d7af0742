"""Small stand-ins for servers, where the sandbox would be too polite:
they drop connections and answer nonsense."""
