"""The parts of deleting: what lies where, and how each kind goes; `studio.erasure` puts them together."""
