"""A mirror of a memory: what it must answer, and who wrote what stands in it."""

from collections import defaultdict

PAGE = 4096
SCRUBBED, LEARNT, UNKNOWN = 0, 254, 255
"""Marks of a byte: scrubbed; not written, but read; neither, since power-up. Others: place in the list of authors."""
KEPT = 512
"""Overwritten values that a page remembers, for reads that overtake writes."""

Author = tuple[int, int, int]
"""Slice that wrote; slices that shared the key with it then, as a bitmap; number of the granule's tenure."""


class Page:
    """4 KiB of a memory.

    Members
    -------
    data, marks : bytearray
        Value and author's mark of each byte.
    authors : list
        Author of each mark.
    past : list of (cycle of the write's response, offset, bytes before, marks before)
        What stood here before the last writes.
    """

    __slots__ = ("authors", "data", "marks", "past")

    def __init__(self) -> None:
        self.data = bytearray(PAGE)
        self.marks = bytearray([UNKNOWN]) * PAGE
        self.authors: list[Author | None] = [None]
        self.past: list[tuple[int, int, bytes, bytes]] = []

    def mark(self, author: Author) -> int:
        """Mark of an author."""
        if self.authors[-1] == author:
            return len(self.authors) - 1
        if author in self.authors:
            return self.authors.index(author)
        if len(self.authors) < LEARNT:
            self.authors.append(author)
        return len(self.authors) - 1


class Mirror:
    """What a memory behind a target port holds, followed beat by beat.

    Parameters
    ----------
    data_bytes : int
        Bytes of a beat.
    """

    def __init__(self, data_bytes: int) -> None:
        self.data_bytes = data_bytes
        self.pages: dict[int, Page] = defaultdict(Page)

    def write(self, address: int, data: int, strobe: int, author: Author | None, answered: int) -> None:
        """A beat of a write: the bus word that contains `address`. No author: the scrubber."""
        if not strobe:
            return
        width = self.data_bytes
        word = address // width * width
        page, offset = self.pages[word // PAGE], word % PAGE
        mark = SCRUBBED if author is None else page.mark(author)
        run = slice(offset, offset + width)
        page.past.append((answered, offset, bytes(page.data[run]), bytes(page.marks[run])))
        if len(page.past) > 2 * KEPT:
            del page.past[:KEPT]
        new = data.to_bytes(width, "little")
        if strobe == (1 << width) - 1:
            page.data[run] = new
            page.marks[run] = bytes([mark]) * width
            return
        for byte in range(width):
            if strobe >> byte & 1:
                page.data[offset + byte] = new[byte]
                page.marks[offset + byte] = mark

    def read(self, begin: int, end: int, data: int, asked: int) -> list[int]:
        """Compare bytes `begin` to `end` of a beat's bus word with the mirror.

        A read and a write that are under way at once may take effect in either order, so a byte may also have a value
        that was overwritten by a write answered in or after cycle `asked`. Bytes never written are learnt.

        Returns
        -------
        list of int
            Addresses of bytes that have no right value.
        """
        width = self.data_bytes
        word = begin // width * width
        page, offset = self.pages[word // PAGE], begin % PAGE
        got = data.to_bytes(width, "little")[begin - word : end - word]
        if page.data[offset : offset + len(got)] == got and UNKNOWN not in page.marks[offset : offset + len(got)]:
            return []
        wrong = []
        for place, value in enumerate(got, start=offset):
            if page.marks[place] == UNKNOWN:
                page.data[place], page.marks[place] = value, LEARNT
                continue
            if page.data[place] == value:
                continue
            earlier = [
                (old[place - at], marks[place - at])
                for answered, at, old, marks in page.past
                if answered >= asked and 0 <= place - at < width
            ]
            if not any(value == then or mark == UNKNOWN for then, mark in earlier):
                wrong.append(begin + place - offset)
        return wrong

    def authors(self, begin: int, end: int) -> set[Author]:
        """Who wrote the bytes `begin` to `end`, which lie in one page; scrubbed and unknown bytes have no author."""
        page, offset = self.pages[begin // PAGE], begin % PAGE
        found = set()
        for mark in set(page.marks[offset : offset + end - begin]):
            if mark not in (SCRUBBED, LEARNT, UNKNOWN):
                author = page.authors[mark]
                assert author is not None
                found.add(author)
        return found

    def unscrubbed(self, begin: int, end: int, tenure: int) -> int | None:
        """Address of a byte between `begin` and `end` (whole pages) that was neither scrubbed nor written in or after
        that tenure; None if there is none.
        """
        for number in range(begin // PAGE, end // PAGE):
            page = self.pages.get(number)
            if page is None:
                return number * PAGE
            for mark in set(page.marks):
                author = page.authors[mark] if 0 < mark < LEARNT else None
                if mark != SCRUBBED and (author is None or author[2] < tenure):
                    return number * PAGE + page.marks.index(mark)
        return None
