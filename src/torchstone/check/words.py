"""The words of a name, and what a parameter's name says that it takes."""

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|\d+")

# What is right, said outright; and what may be that where nothing else is.
_TRUTHS = {
    *("true", "truth", "target", "targets", "tgt", "tgts", "trg", "label", "labels", "lbl", "gt", "expected", "actual"),
    *("ytrue", "groundtruth", "onehot", "answer", "answers", "ref", "reference", "observed", "desired"),
}
_LETTERS = {"y", "t", "class", "classes", "idx", "index"}
_GUESSES = {
    *("pred", "preds", "prediction", "predictions", "predicted", "hat", "yhat", "ypred", "out", "output", "outputs"),
    *("logit", "logits", "input", "inputs", "score", "scores", "prob", "probs", "x", "p", "estimate", "est"),
}


def words(name: str) -> tuple[str, ...]:
    """The words of a name, small: of CamelCase and of snake_case.

    >>> words("MyBCEWithLogits_loss2")
    ('my', 'bce', 'with', 'logits', 'loss', '2')
    """
    return tuple(part.lower() for part in _WORD.findall(name))


def plain(name: str) -> str:
    """A name's letters and digits, small."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def means_target(name: str) -> bool:
    """Whether a parameter of that name takes what is right: `target`, `y_true`, `labels`, `gt`."""
    said = {*words(name), plain(name)}
    if said & _TRUTHS:
        return not said & {"pred", "preds", "logit", "logits", "hat", "output", "input"}
    return bool(said & _LETTERS) and not said & _GUESSES
