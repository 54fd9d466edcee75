from __future__ import annotations

import io

import pytest

from outreach.audience.csv_reader import FileFormat, inspect_file, read_records
from outreach.audience.import_reasons import UnreadableFile


def read(content: bytes) -> list[tuple[int, list[str], str]]:
    file = io.BytesIO(content)
    return [(row.line, row.cells, row.fault) for row in read_records(file, inspect_file(file))]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("email,name\na@b.bg,Ана\n".encode("utf-8-sig"), ("utf-8-sig", ",", ("email", "name"))),
        ("имейл;име\r\na@b.bg;Ана\r\n".encode("cp1251"), ("cp1251", ";", ("имейл", "име"))),
        ("email\tname\na@b.bg\tАна\n".encode("utf-16"), ("utf-16", "\t", ("email", "name"))),
        (b"email\na@b.bg\n", ("utf-8-sig", ",", ("email",))),
        (b'"name, first";email\n', ("utf-8-sig", ";", ("name, first", "email"))),
        (b'\n{"email": "a@b.bg"}\n', ("utf-8-sig", "", ())),
    ],
)
def test_inspect_finds_encoding_delimiter_and_columns(content: bytes, expected: tuple[str, str, tuple[str]]) -> None:
    encoding, delimiter, columns = expected
    assert inspect_file(io.BytesIO(content)) == FileFormat(encoding=encoding, delimiter=delimiter, columns=columns)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty_file"),
        (b"\n\n", "empty_file"),
        (b"PK\x03\x04rest", "archive"),
        (b"email\x00", "binary"),
        (b"a@b.bg;Ana\n", "no_header"),
        (b"email;Email\n", "repeated_column"),
        (b";".join(b"c%d" % place for place in range(201)) + b"\n", "too_many_columns"),
        (b"email;" + b"x" * 101 + b"\n", "long_column_name"),
        (b'"email;name\nnever closed', "no_header"),
    ],
)
def test_inspect_refuses_what_cannot_be_read(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        inspect_file(io.BytesIO(content))

    assert caught.value.reason == reason


def test_lines_are_of_the_file_counting_quoted_newlines_and_blank_lines() -> None:
    content = b'email;note\r\n\r\na@b.bg;"first\r\nsecond ""line"""\r\nb@b.bg;x\r\n'

    assert read(content) == [(3, ["a@b.bg", 'first\nsecond "line"'], ""), (5, ["b@b.bg", "x"], "")]


def test_an_unclosed_quote_loses_only_its_own_line() -> None:
    content = b'email;note\na@b.bg;"open\nb@b.bg;x\nc@b.bg;"fine"\n' + b"d@b.bg;y\n" * 150 + b'e@b.bg;"open too\n'

    found = read(content)

    assert found[:3] == [(2, [], "unclosed_quote"), (3, ["b@b.bg", "x"], ""), (4, ["c@b.bg", "fine"], "")]
    assert found[-1] == (155, [], "unclosed_quote")
    assert len(found) == 154


def test_rows_of_the_wrong_width_and_bad_quotes_are_faults() -> None:
    content = b'email;name\na@b.bg\nb@b.bg;B;more\nc@b.bg;C;;\nd@b.bg;"ACME "Bulgaria" Ltd"\n'

    assert read(content) == [
        (2, [], "too_few_cells"),
        (3, [], "too_many_cells"),
        (4, ["c@b.bg", "C"], ""),
        (5, [], "bad_quotes"),
    ]


def test_a_few_bad_bytes_do_not_make_a_utf8_file_another_encoding() -> None:
    content = b"email;name\n" + "a@b.bg;Ана\n".encode() * 3 + b"b@b.bg;\xc0\xed\xe0\n"

    assert read(content)[-1] == (5, ["b@b.bg", "\ufffd\ufffd\ufffd"], "")


def test_a_line_without_end_is_a_fault_and_the_next_one_is_read() -> None:
    content = b"email;name\n" + b"x" * 3_000_000 + b"\na@b.bg;A\n"

    assert read(content) == [(2, [], "line_too_long"), (3, ["a@b.bg", "A"], "")]


def test_ndjson_records_and_faults() -> None:
    file = io.BytesIO(b'{"email": "a@b.bg"}\n\n[1]\n{"x": NaN}\n')

    found = [(row.line, row.values, row.fault) for row in read_records(file, inspect_file(file))]

    assert found == [(1, {"email": "a@b.bg"}, ""), (3, None, "bad_json"), (4, None, "bad_json")]
