"""The verdict on a claim: refuted by a point, proven, or neither."""

import time

import sympy as sp

from torchstone.judge.functions import UnsupportedError
from torchstone.judge.limit import TimeUp, at_most
from torchstone.judge.proof import prove
from torchstone.judge.refute import DIGITS, Evidence, Search
from torchstone.judge.values import is_valueless
from torchstone.judge.verdict import Claim, Verdict

_FIRST_POINTS = 16  # before a proof is tried
_MOST_POINTS = 40  # where there is none
_ATTEMPTS = 400
_IDENTICAL = "the two sides are identical"


def judge(claim: Claim, seconds: float = 4.0) -> Verdict:
    r"""Whether a claim is so: refuted, proven, agrees at every point that was tried, or unknown.

    A refutation is an exact point at which ball arithmetic tells the two sides apart. A proof is an exact zero test of
    their difference. After `seconds` the verdict is what is known by then. Never raises for an expression it cannot
    handle: that is unknown, with the reason.

    >>> import sympy as sp
    >>> x, y = sp.symbols("x y", real=True)
    >>> judge(Claim(sp.sin(2 * x), 2 * sp.sin(x) * sp.cos(x))).outcome
    'proven'
    >>> judge(Claim((x + y) ** 2, x**2 + y**2)).counterexample
    Counterexample(point={'x': '1', 'y': '1'}, left='4', right='2')
    """
    evidence = Evidence()
    deadline = time.monotonic() + seconds
    try:
        with at_most(seconds):
            return _judge(claim, deadline, evidence)
    except TimeUp:
        if evidence.agreed or evidence.counterexample:
            return _by_points(claim, evidence, f"; a proof was not found within {seconds:g} s")
        return Verdict("unknown", f"not decided within {seconds:g} s")
    except RecursionError:
        return Verdict("unknown", "the expression is nested too deeply")
    except (MemoryError, OverflowError):
        return Verdict("unknown", "the numbers grow too large")
    except Exception as error:
        return Verdict("unknown", f"{type(error).__name__}: {error}".splitlines()[0][:200])


def _judge(claim: Claim, deadline: float, evidence: Evidence) -> Verdict:
    claim = prepared(claim)
    identical = claim.relation == "=" and claim.left == claim.right
    if any(is_valueless(side) and not side.has(sp.Sum) for side in (claim.left, claim.right)):
        return Verdict("unknown", "a side is no finite real number")
    try:
        search = Search(claim, evidence)
        search.go_on(_FIRST_POINTS, _ATTEMPTS, time.monotonic() + (deadline - time.monotonic()) / 2)
    except UnsupportedError as error:
        return Verdict("proven", _IDENTICAL) if identical else Verdict("unknown", str(error))
    if evidence.agreed:
        method = _IDENTICAL if identical else prove(claim, deadline)
        if method is not None:
            return Verdict("proven", method)
        search.go_on(_MOST_POINTS, _ATTEMPTS, deadline)
    return _by_points(claim, evidence)


def _limit_of(series: sp.Sum) -> tuple[sp.Expr, sp.Basic]:
    """An infinite sum as (its limit, where it has one)."""
    value = series.doit()
    if isinstance(value, sp.Piecewise) and not value.args[0][0].has(sp.Sum):
        return value.args[0].expr, value.args[0].cond
    return value, sp.true


def _by_points(claim: Claim, evidence: Evidence, why: str = "") -> Verdict:
    """The verdict where there is no proof."""
    if evidence.counterexample is not None:
        return Verdict("refuted", "the sides differ at a point", evidence.counterexample)
    if not evidence.agreed:
        return Verdict("unknown", _no_point(evidence))
    points = "1 point" if evidence.agreed == 1 else f"{evidence.agreed} points"
    digits = f", to {DIGITS} digits" if claim.relation in ("=", "<=", ">=") else ""
    return Verdict("agrees", f"at {points} of the domain{digits}{why}")


def prepared(claim: Claim) -> Claim:
    """The claim with exact numbers for decimals, and with given values put in."""
    exact = {
        number: sp.Rational(str(number))
        for part in (claim.left, claim.right, *claim.given)
        for number in part.atoms(sp.Float)
    }
    left, right = (sp.sympify(side).xreplace(exact) for side in (claim.left, claim.right))
    given = [sp.sympify(each).xreplace(exact) for each in claim.given]
    for series in left.atoms(sp.Sum) | right.atoms(sp.Sum):
        if any(high is sp.oo for *_, high in series.limits):
            limit, condition = _limit_of(series)
            left, right = (side.xreplace({series: limit}) for side in (left, right))
            given.append(condition)
    for each in list(given):
        for name, value in ((each.lhs, each.rhs), (each.rhs, each.lhs)) if isinstance(each, sp.Eq) else ():
            if isinstance(name, sp.Symbol) and name not in value.free_symbols and name not in claim.domains:
                given.remove(each)
                left, right, *given = [part.subs(name, value) for part in (left, right, *given)]
                break
    return Claim(left, right, claim.relation, claim.domains, tuple(each for each in given if each != sp.true))


def _no_point(evidence: Evidence) -> str:
    if evidence.undecided > evidence.undefined:
        return "the numbers are too large or too close to tell at every point that was tried"
    return "no point was found at which both sides have a real value"
