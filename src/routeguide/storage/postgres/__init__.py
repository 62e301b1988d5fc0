"""A store in PostgreSQL, which any number of servers share. `docs/postgres.md` is for whoever runs it."""
