"""What a database says when it does not do what was asked, in words that need no SQLAlchemy."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError

# Everything that a statement, a connection or a pool may raise. A connection that is refused raises OSError.
DatabaseTrouble = SQLAlchemyError

_YIELDED = {"55P03", "40P01", "40001"}  # lock not available, deadlock, serialization failure


def lost_database(problem: Exception) -> bool:
    """The database is away, or another transaction goes first: the same work succeeds later."""
    return isinstance(problem, OperationalError | InterfaceError)


def somebody_goes_first(problem: Exception) -> bool:
    """Another transaction holds what this one wanted, and this one yielded. PostgreSQL only."""
    return isinstance(problem, DBAPIError) and getattr(problem.orig, "sqlstate", None) in _YIELDED


def already_there(problem: Exception) -> bool:
    return isinstance(problem, IntegrityError)
