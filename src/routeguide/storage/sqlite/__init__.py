"""Features and notes in one SQLite file, for one machine; `docs/adr/0003-sqlite.md` has the reasons."""
