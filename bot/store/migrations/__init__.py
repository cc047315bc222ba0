"""The schema's history, as Alembic revisions. `bot.store.db.schema` runs them.

Until the first release there is one revision; after a change to `tables.py` write it again:

    python -m bot.store.migrations
"""
