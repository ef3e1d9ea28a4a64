"""Finds the card that a user means."""

from pathlib import Path

from ..errors import Refusal

BOARDS = "boards"
CARD_FILE = "card.yaml"


def _board_folders() -> list[Path]:
    """Folders of cards: below the working folder, and below the root of the repository that this file is in."""
    repository = Path(__file__).resolve().parents[2] / BOARDS
    here = Path(BOARDS)
    return [here] if here.resolve() == repository else [here, repository]


def known_cards() -> list[str]:
    """Names of the cards that can be given by name."""
    return sorted({path.parent.name for folder in _board_folders() for path in folder.glob(f"*/{CARD_FILE}")})


def find_card(card: str) -> Path:
    """The file of a card, given by name, by the path of its file, or by the path of the folder that it is in.

    Raises
    ------
    Refusal
        There is no such card; names the cards that there are.
    """
    if card in known_cards():
        return next(path for folder in _board_folders() if (path := folder / card / CARD_FILE).exists())
    path = Path(card)
    if path.is_dir() and (path / CARD_FILE).is_file():
        return path / CARD_FILE
    if card and path.exists() and not path.is_dir():
        return path
    raise Refusal(
        f"there is no card {card!r}; give one of {', '.join(known_cards()) or '(none here)'}, "
        f"or the path of a {CARD_FILE}, or the path of the folder that it is in"
    )
