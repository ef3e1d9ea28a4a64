"""PCIe lanes: a pattern of its own on every wire, so that a lane that is steered wrong is seen at once."""

from typing import Any

LANE_BITS = 36
"""A lane's 32 data bits, 4 control bits (PHY Interface for PCI Express, 32-bit PIPE)."""


class Lanes:
    """Drives all lanes of a card and looks where they arrive.

    Parameters
    ----------
    dut : cocotb handle
        The card.
    pcie : dict
        The manifest's section.
    """

    def __init__(self, dut: Any, pcie: dict[str, Any]) -> None:
        self._dut, self._devices, self._lanes = dut, pcie["devices"], pcie["lanes"]
        dut.lane_rx.value = _join([self._card(lane) for lane in range(self._lanes)])
        for number, device in enumerate(self._devices):
            own = [self._device(number, lane) for lane in range(device["lanes"])]
            getattr(dut, f"{device['name']}_lane_tx").value = _join(own)

    def _card(self, lane: int) -> int:
        return 0x100_0000 + lane

    def _device(self, number: int, lane: int) -> int:
        return 0x200_0000 + (number << 8) + lane

    def wrong(self, steering: dict[int, tuple[int, int]]) -> list[str]:
        """What differs from a steering {device: (first lane, width)}; a lane that nobody has carries zeros."""
        faults = []
        outgoing = [0] * self._lanes
        for number, device in enumerate(self._devices):
            first, width = steering.get(number, (0, 0))
            expected = [self._card(first + lane) if lane < width else 0 for lane in range(device["lanes"])]
            for lane in range(width):
                outgoing[first + lane] = self._device(number, lane)
            seen = _split(int(getattr(self._dut, f"{device['name']}_lane_rx").value), device["lanes"])
            if seen != expected:
                faults.append(f"{device['name']} receives {_show(seen)}, not {_show(expected)}")
        seen = _split(int(self._dut.lane_tx.value), self._lanes)
        if seen != outgoing:
            faults.append(f"the lanes carry {_show(seen)}, not {_show(outgoing)}")
        return faults


def _join(words: list[int]) -> int:
    return sum(word << LANE_BITS * index for index, word in enumerate(words))


def _split(value: int, count: int) -> list[int]:
    return [value >> LANE_BITS * index & (1 << LANE_BITS) - 1 for index in range(count)]


def _show(words: list[int]) -> str:
    return " ".join(f"{word:x}" for word in words)
