"""The database roles of the application: a group that migrations grant rights to, and its login.

Roles belong to the whole cluster, so migrations of two databases may make the same ones at once.
"""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from payflow.store.schema.migration_files import MigrationError

APPLICATION_ROLE: LiteralString = "payflow_application"
ATTEMPTS_MAX = 5

SELECT_STATE = """
    SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s),
           EXISTS (SELECT FROM pg_roles WHERE rolname = %(login)s),
           EXISTS (SELECT FROM pg_roles AS login, pg_roles AS role
                   WHERE login.rolname = %(login)s AND role.rolname = %(role)s
                     AND pg_has_role(login.oid, role.oid, 'USAGE')),
           %(login)s = session_user
"""
CREATE_ROLE = sql.SQL("CREATE ROLE {role} NOLOGIN")
CREATE_LOGIN = sql.SQL("CREATE ROLE {login} LOGIN")
CREATE_LOGIN_WITH_PASSWORD = sql.SQL("CREATE ROLE {login} LOGIN PASSWORD {password}")
GRANT_ROLE = sql.SQL("GRANT {role} TO {login}")

_PASSWORD_PLACEHOLDER = "<the password in DATABASE_URL>"


def ensure_application_role(connection: psycopg.Connection[TupleRow], application_url: str) -> None:
    """Creates the group role and the login of ``application_url`` where they are missing.

    A login that exists keeps its password. ``connection`` is the owner's, in autocommit mode. Raises
    MigrationError with the SQL for an administrator where the owner may not create them.
    """
    parameters = conninfo_to_dict(application_url)
    login = str(parameters.get("user") or connection.info.user)
    password = str(parameters["password"]) if parameters.get("password") else None
    for _ in range(ATTEMPTS_MAX):
        try:
            for statement in _missing(connection, login, password and _verifier(connection, login, password)):
                connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            raise _instructions(connection, login, password) from error
        except (
            psycopg.errors.DuplicateObject,
            psycopg.errors.UniqueViolation,
            psycopg.errors.InternalError_,  # "tuple concurrently updated"
        ):
            continue  # Somebody else was faster; look again at what is left to do.
        else:
            return
    raise MigrationError(f"role {login} keeps being changed by others; start the migration again")


def _missing(
    connection: psycopg.Connection[TupleRow], login: str, password: str | None
) -> list[sql.Composed]:
    state = connection.execute(SELECT_STATE, {"role": APPLICATION_ROLE, "login": login}).fetchone()
    assert state is not None
    role_exists, login_exists, is_member, is_owner = state
    create_login = CREATE_LOGIN if password is None else CREATE_LOGIN_WITH_PASSWORD
    needed = [
        (CREATE_ROLE, not role_exists),
        (create_login, not login_exists),
        (GRANT_ROLE, not is_member and not is_owner),
    ]
    names = {"role": sql.Identifier(APPLICATION_ROLE), "login": sql.Identifier(login)}
    return [
        statement.format(**names, password=sql.Literal(password)) for statement, missing in needed if missing
    ]


def _verifier(connection: psycopg.Connection[TupleRow], login: str, password: str) -> str:
    """The password as PostgreSQL keeps it, so that no statement and no server log holds the password."""
    return connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()


def _instructions(
    connection: psycopg.Connection[TupleRow], login: str, password: str | None
) -> MigrationError:
    statements = _missing(connection, login, password and _PASSWORD_PLACEHOLDER)
    lines = "\n".join(f"    {statement.as_string(connection)};" for statement in statements)
    return MigrationError(
        f"the database user {connection.info.user} may not create the application's roles; "
        f"have an administrator run this, then migrate again:\n\n{lines}\n"
    )
