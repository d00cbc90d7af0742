from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Integer, MetaData, Table, inspect, text

from studio.data import Base, Database, User, migrate
from studio.data.database import database_url
from studio.data.migrate import FOLDER, HEAD, config, current, upgrade, write
from studio.errors import BadInput
from tests.stubs.postgres import Postgres, postgres_available, start_postgres

ROOT = Path(__file__).parents[3]


def differences(database: Database, wanted: MetaData = Base.metadata) -> list[object]:
    """What a migration would have to change."""
    with database.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), wanted))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'studio.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    if not postgres_available():
        pytest.skip("PostgreSQL is not installed")
    started = start_postgres(tmp_path_factory.mktemp("postgres"))
    yield started
    started.stop()


@pytest.fixture
def postgres(server: Postgres) -> Iterator[Database]:
    opened = Database(database_url(server.new_database(), Path()))
    yield opened
    opened.close()


def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    upgrade(database)
    assert differences(database) == [], "run: python -m studio.data.migrate (it says how)"


def test_a_column_without_a_migration_would_be_noticed(database: Database) -> None:
    upgrade(database)
    wanted = MetaData()
    for table in Base.metadata.sorted_tables:
        copied = table.to_metadata(wanted)
        if table.name == "photos":
            copied.append_column(Column("forgotten", Integer))
    assert len(differences(database, wanted)) == 1
    Table("forgotten_too", wanted, Column("id", Integer, primary_key=True))
    assert len(differences(database, wanted)) == 2


@pytest.mark.slow
def test_postgresql_gets_the_same_tables(postgres: Database) -> None:
    upgrade(postgres)
    assert differences(postgres) == []


def test_the_newest_migration_is_the_one_we_know(database: Database) -> None:
    with database.engine.connect() as connection:
        scripts = ScriptDirectory.from_config(config(connection))
    assert scripts.get_heads() == [HEAD]
    assert scripts.get_bases() == ["0001"]
    upgrade(database)
    with database.engine.connect() as connection:
        assert current(connection) == HEAD


def test_what_is_there_is_kept(database: Database) -> None:
    upgrade(database)
    with database.session() as db:
        db.add(User(email="kim@example.org"))
    upgrade(database)
    with database.session() as db:
        assert db.query(User).count() == 1


def test_nothing_of_alembic_is_loaded_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studio.sqlite'}"
    first = Database(url)
    upgrade(first)
    first.close()
    code = (
        "import sys; from studio.data import Database; "
        f"database = Database({url!r}); database.migrate(); database.close(); "
        "sys.exit(any(name.split('.')[0] == 'alembic' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def started_at_once(url: str) -> list[int]:
    """Exit codes of two processes that open one database."""
    code = "import sys; from studio.data import Database; Database(sys.argv[1]).migrate()"
    started = [subprocess.Popen([sys.executable, "-c", code, url], cwd=ROOT) for _ in range(2)]
    return [process.wait(120) for process in started]


@pytest.mark.slow
def test_several_that_start_at_once_do_not_trip_over_each_other(database: Database) -> None:
    assert started_at_once(database.url) == [0, 0]
    assert differences(database) == []


@pytest.mark.slow
def test_several_that_start_at_once_on_postgresql(postgres: Database) -> None:
    assert started_at_once(postgres.url) == [0, 0]
    assert differences(postgres) == []


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations, where a test may write some."""
    folder = tmp_path / "100% a copy" / "migrations"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migrate, "FOLDER", folder)
    return folder / "versions"


def fails_halfway(database: Database, copy: Path) -> None:
    (first,) = copy.glob("v0001_*.py")
    good = first.read_text(encoding="utf-8")
    first.write_text(f"{good}    raise RuntimeError('the power is gone')\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="power"):
        upgrade(database)
    assert inspect(database.engine).get_table_names() == []
    first.write_text(good, encoding="utf-8")
    upgrade(database)
    assert differences(database) == []


def test_all_or_nothing(database: Database, copy: Path) -> None:
    fails_halfway(database, copy)


@pytest.mark.slow
def test_all_or_nothing_on_postgresql(postgres: Database, copy: Path) -> None:
    fails_halfway(postgres, copy)


def test_another_programs_database_is_left_alone(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE users (theirs INTEGER)"))
        connection.execute(text("CREATE TABLE orders (theirs INTEGER)"))
    with pytest.raises(BadInput, match=r"not the studio's: users\."):
        upgrade(database)
    assert sorted(inspect(database.engine).get_table_names()) == ["orders", "users"]


def test_a_newer_database_is_left_alone(database: Database) -> None:
    upgrade(database)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadInput, match="9999") as caught:
        upgrade(database)
    assert "newer version" in str(caught.value.hint)


def test_the_next_migration_is_written(copy: Path) -> None:
    before = len(list(copy.glob("v*.py")))
    path = write("Add what was forgotten.")
    assert path == copy / f"v{before + 1:04}_add_what_was_forgotten.py"
    written = path.read_text(encoding="utf-8")
    assert f"down_revision = {HEAD!r}" in written
    # The models have nothing that the migrations lack.
    assert written.rstrip().endswith("pass")
    with pytest.raises(BadInput, match="after the first"):
        write("All tables.", first=True)


def test_the_first_migration_is_written_again(copy: Path, database: Database) -> None:
    for path in sorted(copy.glob("v*.py"))[1:]:
        path.unlink()
    (first,) = copy.glob("v*.py")
    first.write_text("not even Python")
    assert write("All tables.", first=True) == first
    upgrade(database)
    assert differences(database) == []
