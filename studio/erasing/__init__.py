"""The parts of deleting: what lies where, and how each kind of it goes; `studio.erasure` puts them together"""
