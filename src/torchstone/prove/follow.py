"""Whether a wrong step is only the consequence of an earlier wrong one."""

import sympy as sp

from torchstone.judge import Claim, judge
from torchstone.judge.limit import TimeUp, at_most
from torchstone.prove.meaning.reader import Reading

_SECONDS = 1.0
_FEW_OPERATIONS = 60  # beyond it, solving an equation takes too long to be worth it


def follows(later: Reading, earlier: Reading) -> bool:
    """Whether a step holds once an earlier one, which is refuted, is taken for granted.

    Either both are about the same left side, or the earlier one is solved for a symbol that is put into the later.
    """
    if later.claim is None or earlier.claim is None or later.relation != "=" or earlier.relation != "=":
        return False
    if later.left == earlier.left and _holds(later.rebuild(earlier.right, later.right, {})):
        return True
    if later.loose is None or earlier.loose is None:
        return False
    try:
        with at_most(_SECONDS * 3):
            return any(_holds(claim) for claim in _with_earlier_put_in(later.loose, earlier.loose))
    except TimeUp:
        return False


def _holds(claim: Claim) -> bool:
    return judge(claim, seconds=_SECONDS).outcome == "proven"


def _with_earlier_put_in(later: Claim, earlier: Claim) -> list[Claim]:
    difference = earlier.left - earlier.right
    if sp.count_ops(difference) > _FEW_OPERATIONS:
        return []
    claims = []
    for symbol in sorted(difference.free_symbols & (later.left.free_symbols | later.right.free_symbols), key=str):
        if not isinstance(symbol, sp.Symbol):
            continue
        try:
            solutions = sp.solve(difference, symbol)
        except (NotImplementedError, ValueError, TypeError):
            continue
        for solution in solutions[:2]:
            put_in = {symbol: solution}
            left, right = later.left.subs(put_in), later.right.subs(put_in)
            # What holds at single numbers only, or because everything is 0 there, does not follow: it is another slip.
            if solution.free_symbols and sp.expand(right).free_symbols:
                claims.append(Claim(left, right, "=", later.domains, later.given))
    return claims
