"""Tables as CSV in UTF-8: a row for each example, a column of classes, the others numbers or words.

Rows are counted as a spreadsheet shows them: the header, where there is one, is row 1.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import did_you_mean
from bnnedge.data.class_folders import MOST_CLASSES, printed
from bnnedge.errors import DataError
from bnnedge.files import read_text_bounded
from bnnedge.names import check_label, shown
from bnnedge.reading import TableConfig

_MOST_FILE_BYTES = 1 << 26
_MOST_COLUMNS = 1024
_DELIMITERS = ",;\t"
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}
Source = tuple[int, str | None]
"""A column, and the word that is looked for in it; None: it holds numbers."""
_FILL = "fill it in, or leave the row out"


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows of text.

    Attributes:
        where: what errors call the file.
        names: of the columns; their numbers, from 0, where there is no header.
        rows: as many values in each.
        numbers: of the rows.
        header: whether the first row has the names.
    """

    where: str
    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int]
    header: bool

    def column(self, wanted: int | str, what: str) -> int:
        """Index of a column that is named, or counted from 0 (-1: the last).

        Raises:
            DataError: it is not there.
        """
        names = self.names
        if isinstance(wanted, str):
            if wanted in names:
                return names.index(wanted)
            near = did_you_mean(wanted, names) or f", there are {', '.join(map(shown, names[:8]))}"
            raise DataError(f"{self.where}: {what}: there is no column {shown(wanted)}{near}")
        if not -len(names) <= wanted < len(names):
            raise DataError(f"{self.where}: {what}: wanted 0…{len(names) - 1}, got {wanted}")
        return wanted % len(names)

    def at(self, row: int, column: int) -> str:
        """Where a value stands."""
        return f"{self.where}: row {self.numbers[row]}, column {shown(self.names[column])}"

    def words(self, column: int) -> list[str]:
        """A column of text. Raises DataError: a value is missing, or not printable."""
        for index, row in enumerate(self.rows):
            value = row[column]
            if value.lower() in _MISSING:
                raise DataError(
                    f"{self.at(index, column)}: wanted a value, got {shown(value)}", remedy=_FILL
                )
            check_label(value, what=self.at(index, column), raises=DataError)
        return [row[column] for row in self.rows]

    def values(self, columns: Sequence[Source]) -> NDArray[np.float64]:
        """Columns as finite numbers, (N, F): of words 1 where the word stands, else 0.

        Raises:
            DataError: a value is no number, or none of a column's words.
        """
        words: dict[int, set[str]] = {}
        for column, word in columns:
            if word is not None:
                words.setdefault(column, set()).add(word)
        found = np.empty((len(self.rows), len(columns)))
        for index, row in enumerate(self.rows):
            for column, known in words.items():
                if row[column] not in known:
                    raise DataError(
                        f"{self.at(index, column)}: wanted one of"
                        f" {', '.join(map(shown, sorted(known)[:8]))}, got {shown(row[column])}"
                    )
            for place, (column, word) in enumerate(columns):
                if word is None and not _is_number(row[column]):
                    raise self._no_number(index, column)
                found[index, place] = float(row[column]) if word is None else row[column] == word
        return found

    def _no_number(self, row: int, column: int) -> DataError:
        value = self.rows[row][column]
        name = shown(self.names[column]) if self.header else str(column)
        remedy = (
            f"leave the column out (ignore = [{name}]), or make an input of each of its words"
            f" (categories = [{name}])"
        )
        if value.lower() in _MISSING:
            remedy = _FILL
        elif _is_number(value.replace(",", ".", 1)):
            remedy = "write it as 1234.5: a point in front of decimals, and no other mark"
        return DataError(
            f"{self.at(row, column)}: wanted a number such as 1.5, got {shown(value)}",
            remedy=remedy,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Numbers with classes.

    Attributes:
        columns: of `values`: names, and of columns of words the word.
        values: finite float64 (N, F).
        classes: names; in order of the numbers where all are integers, else of the words.
        labels: int64 (N,).
        label: name of the column of classes.
    """

    columns: tuple[tuple[str, str | None], ...]
    values: NDArray[np.float64]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    label: str


def read_examples(path: Path, config: TableConfig) -> Examples:
    """The examples in a CSV file.

    Raises:
        DataError: the file is missing or no table, a column is not there, or a value is missing or
            no number; names row and column.
    """
    table = read_table(path, config.header, config.delimiter)
    label, taken = _columns(table, config)
    words = table.words(label)
    classes = _ordered(words)
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise DataError(
            f"{table.where}: wanted 2…{MOST_CLASSES} classes in column {shown(table.names[label])},"
            f" got {len(classes)}"
        )
    index = {name: number for number, name in enumerate(classes)}
    return Examples(
        columns=tuple((table.names[column], word) for column, word in taken),
        values=table.values(taken),
        classes=classes,
        labels=np.array([index[word] for word in words], np.int64),
        label=table.names[label],
    )


def count_features(path: Path, config: TableConfig) -> int:
    """How many columns are numbers to learn from. Raises DataError, see `read_examples`."""
    return len(_columns(read_table(path, config.header, config.delimiter), config)[1])


def _columns(table: Table, config: TableConfig) -> tuple[int, list[Source]]:
    """The column of classes, and those to learn from, these once for each of their words."""
    label = table.column(config.label, "label")
    ignored = {table.column(name, "ignore") for name in config.ignore}
    categories = {table.column(name, "categories") for name in config.categories or ()}
    for column in sorted(categories & {label, *ignored})[:1]:
        raise DataError(
            f"{table.where}: categories: column {shown(table.names[column])} is the label, or left"
            " out"
        )
    taken = [i for i in range(len(table.names)) if i != label and i not in ignored]
    if not taken:
        raise DataError(f"{table.where}: wanted columns to learn from beside the label, got none")
    for index in taken:
        if not table.names[index]:
            raise DataError(
                f"{table.where}: column {index} has no name; is it the rows' number?",
                remedy=f"give it a name, or ignore = [{index}]",
            )
    every: list[Source] = [
        (index, word)
        for index in taken
        for word in (_ordered(table.words(index)) if index in categories else (None,))
    ]
    if len(every) > _MOST_COLUMNS:
        raise DataError(
            f"{table.where}: wanted at most {_MOST_COLUMNS} inputs, got {len(every)}, an input for"
            " each word of a category"
        )
    return label, every


def read_table(path: Path, header: bool, delimiter: str | None) -> Table:
    """A CSV file with at least one row.

    Args:
        path: the file.
        header: whether the first row names the columns.
        delimiter: between values; None: the one of `,`, `;` and tab that row 1 has most of.

    Raises:
        DataError: the file is missing, too large, or no such table.
    """
    text = read_text_bounded(path, _MOST_FILE_BYTES, raises=DataError)
    where, number = printed(path), 0
    rows: list[list[str]] = []
    numbers: list[int] = []
    try:
        mark = delimiter or _most_used(text)
        for number, row in enumerate(_records(text, mark), 1):
            if not row:
                continue
            if rows and len(row) != len(rows[0]):
                raise DataError(
                    f"{where}: row {number}: wanted {len(rows[0])} values as in row {numbers[0]},"
                    f" got {len(row)}"
                )
            if len(row) > _MOST_COLUMNS:
                raise DataError(f"{where}: wanted at most {_MOST_COLUMNS} columns, got {len(row)}")
            rows.append([value.strip() for value in row])
            numbers.append(number)
    except csv.Error as error:
        raise DataError(f"{where}: row {number + 1} cannot be read: {error}") from error
    if len(rows) < 1 + header:
        raise DataError(f"{where}: wanted rows of a table, got none")
    if not header:
        names = list(map(str, range(len(rows[0]))))
        return Table(where=where, names=names, rows=rows, numbers=numbers, header=False)
    _check_header(rows[0], where)
    return Table(where=where, names=rows[0], rows=rows[1:], numbers=numbers[1:], header=True)


def _check_header(names: Sequence[str], where: str) -> None:
    if all(map(_is_number, names)):
        raise DataError(
            f"{where}: row 1 is to be a header, but it holds numbers", remedy="header = false"
        )
    for index, name in enumerate(names):
        if name:
            check_label(name, what=f"{where}: column {index}", raises=DataError)
            if names.index(name) != index:
                raise DataError(
                    f"{where}: two columns are called {shown(name)}, {names.index(name)} and"
                    f" {index}",
                    remedy="rename one",
                )


def _most_used(text: str) -> str:
    """The delimiter that makes most columns of the first row, whatever is wrong with that."""
    counts = {mark: len(next(_records(text, mark, strict=False), [])) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=counts.__getitem__)


def _records(text: str, delimiter: str, *, strict: bool = True) -> Iterator[list[str]]:
    """The rows, blank ones too. Raises csv.Error."""
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)


def _is_number(text: str) -> bool:
    try:
        return text.isascii() and "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False


def _ordered(values: Sequence[str]) -> tuple[str, ...]:
    """Different values: by number where all are integers."""
    different = set(values)
    try:
        return tuple(sorted(different, key=lambda value: (int(value), value)))
    except ValueError:
        return tuple(sorted(different))
