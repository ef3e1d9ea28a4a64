"""What initiators were answered, against what was right."""

from .bursts import DECERR, SLVERR
from .findings import Findings
from .pieces import Asked, Whole
from .transactions import FOREVER

NAMES = {SLVERR: "SLVERR", DECERR: "DECERR"}


def judge_answer(asked: Asked, findings: Findings) -> None:
    """Was it answered as it had to be? A request that may have passed is left to the comparison with its target."""
    request = asked.request
    if asked.cut or request.end == FOREVER:
        return
    if asked.merged:
        # The rest can only be told when it is known which pieces reached a target.
        asked.denied = not asked.passing
        return
    clean = request.write or not any(request.data)
    if len(asked.codes) == 1 and asked.codes <= asked.refusals and (clean or not asked.passing):
        asked.denied = True
        if not clean:
            findings.add("denials", request.end, f"the denied {request} got data that is not zero")
    elif not asked.passing:
        right = " or ".join(sorted(NAMES[code] for code in asked.refusals))
        findings.add("denials", request.end, f"the {request} was answered {sorted(asked.codes)}; right is {right}")
        # It counts as a denial only if it was one, though of the wrong kind.
        asked.denied = bool(asked.codes & {SLVERR, DECERR})


def judge_merged(whole: Whole, findings: Findings) -> None:
    """Is the response to a split write the worst of its pieces'? Needs to know which pieces reached a target.

    Those that did have their target's response, the others were denied, or are missed elsewhere.
    """
    request = whole.request
    if request.end == FOREVER or not whole.pieces[0].merged:
        return
    choices = []
    for piece in whole.pieces:
        if piece.access is not None:
            choices.append(set(piece.access.responses) if piece.access.cut == FOREVER else {SLVERR})
        elif piece.refusals:
            piece.denied = True
            choices.append(piece.refusals)
    given = request.responses[0]
    # The least bad of what each may have been answered; one of them must have been answered what the whole was.
    worst = max((min(codes) for codes in choices if codes), default=given)
    if given < worst:
        hidden = any(piece.denied and min(piece.refusals) > given for piece in whole.pieces)
        text = f"the {request} was answered {given}, but one of its pieces was {'denied' if hidden else 'answered'}"
        findings.add("denials" if hidden else "responses", request.end, f"{text} with {worst}")
    elif choices and not any(given in codes for codes in choices):
        findings.add("responses", request.end, f"the {request} was answered {given}, but none of its pieces was")
