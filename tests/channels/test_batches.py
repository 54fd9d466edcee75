from __future__ import annotations

import json
import time

import pytest

from channels.batches import split_batch


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ('{"a": [1]}', []),
        ("[]", [""]),
        (' [1, "a,]\\"", {"b": [2, 3]}] ', ["1", '"a,]\\""', '{"b": [2, 3]}']),
        ("[{}, 1e999, [[[[", ["{}", "1e999", "[[[["]),
        ('[{"a": 1}, "no end', ['{"a": 1}', '"no end']),
        ("[1]] , [2]", ["1"]),
    ],
)
def test_each_element_is_told_apart(text: str, pieces: list[str]) -> None:
    assert list(split_batch(text)) == pieces


def test_one_that_nests_without_end_hides_no_other() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert list(split_batch(f'[{{"n": 1}}, {deep}, {{"n": 2}}]')) == ['{"n": 1}', deep, '{"n": 2}']


@pytest.mark.parametrize("piece", ['"\\"', '"', "\\", "[", "{,", "a", '"\\', ",]"])
def test_it_takes_no_longer_than_the_text_is_long(piece: str) -> None:
    def seconds(times: int) -> float:
        begun = time.process_time()
        list(split_batch("[" + piece * times))
        return time.process_time() - begun

    assert seconds(160_000) < 40 * max(seconds(20_000), 0.01)


def test_a_batch_that_can_be_read_is_the_same_either_way() -> None:
    batch = [{"a": 'x,\\["{'}, [1, [2]], None, "Ж", 1.5]
    for text in (json.dumps(batch), json.dumps(batch, ensure_ascii=False, indent=1)):
        assert [json.loads(piece) for piece in split_batch(text)] == batch
