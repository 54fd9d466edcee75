"""The chain that consents are sealed into: blocks of leaves, and days of blocks. Rows are added and never changed.

A block names its rows and keeps a hash of each in two columns, not in a table of leaves: 40 bytes a row with no index,
where a table would take 110 and two indexes. What the hashes are made of is `commitment`; who writes here is `sealing`.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from outreach.audience.commitment import Block
from outreach.audience.merkle import SIZE


class ConsentBlock(models.Model):
    """Consents that were sealed together. The tree's first leaf is its header, which names the block before."""

    #: From 1, without gaps.
    number = models.BigIntegerField(primary_key=True)
    #: Root of the block before; zeros for the first.
    previous = models.BinaryField(max_length=32)
    root = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()
    #: Consents by id, in the order of their leaves.
    ids = ArrayField(models.BigIntegerField())
    #: Their hashes, one after another.
    leaves = models.BinaryField()
    #: Least and greatest of `ids`: by their range (an index that the migration makes) a consent finds its block.
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()

    class Meta:
        # Which blocks are a day's.
        indexes = [models.Index(fields=["sealed_at"], name="consent_block_by_time")]

    def __str__(self) -> str:
        return f"block {self.number}"

    @property
    def content(self) -> Block:
        """All of it but the root, which follows from it."""
        leaves = bytes(self.leaves)
        return Block(
            number=self.number,
            previous=bytes(self.previous),
            sealed_at=self.sealed_at,
            ids=self.ids,
            leaves=[leaves[place : place + SIZE] for place in range(0, len(leaves), SIZE)],
        )


class ConsentDay(models.Model):
    """A day (UTC) that is over and had blocks, with the root that was published of it."""

    day = models.DateField(primary_key=True)
    #: Root of the day before it that had one; zeros for the first.
    previous = models.BinaryField(max_length=32)
    root = models.BinaryField(max_length=32)
    first_block = models.BigIntegerField()
    last_block = models.BigIntegerField(unique=True)

    def __str__(self) -> str:
        return self.day.isoformat()


class ConsentBookmark(models.Model):
    """Where sealing stands: one row (pk 1), which also keeps two sealers from doing it at once. It proves nothing."""

    #: Consents up to this id are sealed, those of transactions that had not ended as well.
    floor = models.BigIntegerField(default=0)
    #: How far the last sealing came, and the transaction that was next then: once all before it have ended, the floor
    #: rises to there.
    reached = models.BigIntegerField(default=0)
    horizon = models.BigIntegerField(default=0)
    #: The last block: a chain that ends before it was cut off.
    last_block = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"sealed up to block {self.last_block}"
