"""Populations on disk: what is read is what was written, a part at a time, and what is written is there whole or not at
all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest

from rollout.batch import ANSWERS
from rollout.batch.files import find_population, write_batches
from rollout.core.errors import InvalidInput, RolloutError

PEOPLE = pa.table(
    {
        "user_id": ["u-1", "u-2", "", None, "=1+1", 'say "hi", twice'],
        "country": ["IN", "GB", None, "IN", "", "IN"],
        "unasked": [1, 2, 3, 4, 5, 6],
    }
)


def write(path: Path, people: pa.Table = PEOPLE) -> Path:
    if path.suffix == ".csv":
        pa_csv.write_csv(people, path)
    else:
        pa_parquet.write_table(people, path)
    return path


def read(*paths: Path, columns: tuple[str, ...] = ("user_id", "country")) -> list[dict[str, Any]]:
    batches = find_population(paths).batches(columns, ("user_id",), lambda _: None)
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("name", ["users.parquet", "users.csv"])
def test_the_columns_that_are_asked_for_are_read_as_they_were_written(tmp_path: Path, name: str) -> None:
    assert read(write(tmp_path / name)) == PEOPLE.select(["user_id", "country"]).to_pylist()


@pytest.mark.parametrize("name", ["users.parquet", "users.csv"])
def test_progress_adds_up_to_the_size_of_the_files(tmp_path: Path, name: str) -> None:
    population = find_population([write(tmp_path / name)])
    told: list[int] = []
    list(population.batches(["user_id"], ["user_id"], told.append))
    assert sum(told) == population.size == (tmp_path / name).stat().st_size


def test_attributes_are_read_as_dictionaries_and_ids_as_they_are(tmp_path: Path) -> None:
    for name in ("users.parquet", "users.csv"):
        population = find_population([write(tmp_path / name)])
        (batch,) = population.batches(["user_id", "country"], ["user_id"], lambda _: None)
        assert pa.types.is_string(batch.schema.field("user_id").type)
        assert pa.types.is_dictionary(batch.schema.field("country").type)


def test_a_folder_is_all_files_in_it_in_the_order_of_their_names(tmp_path: Path) -> None:
    for part in ("b.parquet", "a.csv", "_SUCCESS.csv"):
        write(tmp_path / part)
    (tmp_path / "notes.txt").write_text("not people")
    assert [file.name for file in find_population([tmp_path]).files] == ["a.csv", "b.parquet"]
    assert len(read(tmp_path)) == 2 * len(PEOPLE)


def test_a_column_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert read(write(tmp_path / "users.csv"), columns=("user_id", "bank"))[0] == {"user_id": "u-1"}


def test_a_file_of_nobody_has_nobody(tmp_path: Path) -> None:
    for name in ("users.parquet", "users.csv"):
        assert read(write(tmp_path / name, PEOPLE.slice(0, 0))) == []


def test_what_is_no_population_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("not Parquet")
    (tmp_path / "none.csv").write_text("")
    (tmp_path / "ragged.csv").write_text("user_id,country\nu-1\n")
    (tmp_path / "twice.csv").write_text("user_id,user_id\nu-1,u-2\n")
    (tmp_path / "users.xlsx").write_text("")
    (tmp_path / "empty").mkdir()
    for name, said in {
        "text.parquet": "text.parquet cannot be read",
        "none.csv": "none.csv cannot be read",
        "ragged.csv": "ragged.csv cannot be read",
        "twice.csv": "two columns called user_id",
        "users.xlsx": "neither .parquet nor .csv",
        "missing.csv": "there is no file",
        "empty": "there is no .parquet or .csv file",
    }.items():
        with pytest.raises(InvalidInput, match=said):
            read(tmp_path / name)


def test_files_of_other_columns_are_not_one_population(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet")
    write(tmp_path / "b.csv", PEOPLE.select(["user_id"]))
    with pytest.raises(InvalidInput, match=r"b.csv has other columns than a.parquet"):
        find_population([tmp_path])


ANSWER = pa.RecordBatch.from_pylist([{"id": "=u-1", "on": True, "variant": None}], ANSWERS)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    for name in ("cohort.parquet", "cohort.csv"):
        write_batches(tmp_path / name, ANSWERS, [ANSWER, ANSWER])
        rows = read(tmp_path / name, columns=("id", "variant"))
        assert rows == [{"id": "=u-1", "variant": None}] * 2
    assert (tmp_path / "cohort.csv").read_text() == '"id","on","variant"\n"=u-1",true,\n"=u-1",true,\n'


def test_a_cohort_that_breaks_off_leaves_nothing_behind_and_what_was_there_before(tmp_path: Path) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield ANSWER
        raise InvalidInput("no more")

    for name in ("cohort.parquet", "cohort.csv"):
        (tmp_path / name).write_text("before")
        with pytest.raises(InvalidInput, match="no more"):
            write_batches(tmp_path / name, ANSWERS, breaking())
        assert (tmp_path / name).read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort.csv", "cohort.parquet"]


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(RolloutError, match="cannot be written"):
        write_batches(tmp_path / "no-such-folder" / "cohort.csv", ANSWERS, [ANSWER])
    with pytest.raises(InvalidInput, match=r"neither .parquet nor .csv"):
        write_batches(tmp_path / "cohort.txt", ANSWERS, [ANSWER])


def test_many_rows_pass_in_parts(tmp_path: Path) -> None:
    people = pa.table({"user_id": [f"u-{number}" for number in range(300_000)]})
    pa_parquet.write_table(people, tmp_path / "users.parquet", row_group_size=300_000)
    batches = list(find_population([tmp_path]).batches(["user_id"], ["user_id"], lambda _: None))
    assert max(batch.num_rows for batch in batches) < 300_000
    assert pa.Table.from_batches(batches).column("user_id").to_pylist() == people.column("user_id").to_pylist()
