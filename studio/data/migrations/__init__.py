"""The steps from one version of the tables to the next; part of the package, see `studio.data.migrate`."""
