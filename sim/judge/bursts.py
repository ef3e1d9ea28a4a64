"""Bursts as AXI defines them (AMBA AXI and ACE Protocol Specification, ARM IHI 0022H, A3.4.1)."""

FIXED, INCR, WRAP = range(3)
OKAY, EXOKAY, SLVERR, DECERR = range(4)
BOUNDARY = 4096


def legal(address: int, length: int, size: int, burst: int, data_bytes: int) -> bool:
    """Whether AXI allows the burst on a bus of `data_bytes`; `length` is AxLEN, beats minus one."""
    number = 1 << size
    if number > data_bytes:
        return False
    if burst == FIXED:
        return length < 16
    if burst == INCR:
        start = address // number * number
        return start // BOUNDARY == (start + (length + 1) * number - 1) // BOUNDARY
    return burst == WRAP and length in (1, 3, 7, 15) and address % number == 0


def beat_addresses(address: int, length: int, size: int, burst: int) -> list[tuple[int, int]]:
    """First byte and end of the bytes of each beat, of a legal burst."""
    number = 1 << size
    aligned = address // number * number
    if burst == FIXED:
        return [(address, aligned + number)] * (length + 1)
    if burst == INCR:
        starts = range(aligned, aligned + (length + 1) * number, number)
        return [(max(start, address), start + number) for start in starts]
    container = (length + 1) * number
    low = address // container * container
    offset = address - low
    return [
        (low + (offset + beat * number) % container, low + (offset + beat * number) % container + number)
        for beat in range(length + 1)
    ]
