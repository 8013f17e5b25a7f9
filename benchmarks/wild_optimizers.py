"""Optimizers of packages that nobody here wrote, each as its documentation has it called.

Of each package: its name on PyPI, and its optimizers with what `torchstone.check` is told of them. What wants its
parameters in groups of two kinds gets a function that makes them.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wild_subjects import Told


def _of_two_kinds(module: str, name: str) -> Callable[[Iterable[Any]], Any]:
    """A Muon, as its documentation has it: matrices are its own, the rest goes by AdamW."""

    def make(params: Iterable[Any]) -> Any:
        listed = list(params)
        groups: list[dict[str, Any]] = []
        for group in listed if listed and isinstance(listed[0], Mapping) else [{"params": listed}]:
            inside = list(group["params"])
            for flag in (True, False):
                found = [p for p in inside if (p.ndim > 1) is flag]
                groups += [{**group, "params": found, "use_muon": flag}] if found else []
        return getattr(importlib.import_module(module), name)(groups)

    make.__name__ = name
    return make


muon = _of_two_kinds("pytorch_optimizer", "Muon")
ada_muon = _of_two_kinds("pytorch_optimizer", "AdaMuon")
ada_go = _of_two_kinds("pytorch_optimizer", "AdaGO")
nor_muon = _of_two_kinds("pytorch_optimizer", "NorMuon")


def _listed(package: str, names: str, told: Mapping[str, Told] | None = None) -> dict[str, Told]:
    return {f"{package}:{name}": (told or {}).get(name, {}) for name in names.split()}


OPTIMIZERS: Mapping[str, Mapping[str, Told]] = {
    "pytorch_optimizer": {
        **_listed(
            "pytorch_optimizer",
            """
            A2Grad ADOPT APOLLO ASGD AccSGD AdEMAMix AdaBelief AdaBound AdaDelta AdaFactor AdaGC AdaHessian AdaMax
            AdaMod AdaNorm AdaPNM AdaShift AdaSmooth AdaTAM Adai Adalite AdamC AdamG AdamP AdamS AdamWSN Adan AggMo
            Aida AliG Alice Amos Ano ApolloDQN AvaGrad BCOS BSAM CAME Conda DASH DAdaptAdaGrad DAdaptAdam DAdaptAdan
            DAdaptLion DAdaptSGD DiffGrad DualAdam EXAdam EmoFact EmoLynx EmoNavi FAdam FOCUS FTRL Fira FlashAdamW
            FriendlySAM Fromage GaLore Grams Gravity GrokFastAdamW Kate Kron LARS LaProp Lamb Lion LoRARite LookSAM
            Lookahead MADGRAD MARS MSVAG Magma Nero NovoGrad OrthoGrad PAdam PCGrad PID PNM Prodigy QHAdam QHM RACS
            RAdam ROSE Ranger Ranger21 SAM SCION SCIONLight SGDP SGDSaI SGDW SM3 SOAP SPAM SPlus SRMM SWATS SaRA
            SafeFP16Optimizer ScalableShampoo ScheduleFreeAdamW ScheduleFreeRAdam ScheduleFreeSGD ScheduleFreeWrapper
            Shampoo SignSGD SimplifiedAdEMAMix SophiaH StableAdamW StableSPAM TAM TRAC Tiger VSGD Yogi
            """,
            {
                "BSAM": {"kwargs": {"num_data": 100}},
                "Ranger21": {"kwargs": {"num_iterations": 100}},
                "SaRA": {"kwargs": {"threshold": 100.0, "lr": 1e-3}},
            },
        ),
        **_listed("wild_optimizers", "muon ada_muon ada_go nor_muon"),
    },
    "torch_optimizer": _listed(
        "torch_optimizer",
        """
        A2GradExp A2GradInc A2GradUni AccSGD AdaBelief AdaBound AdaMod Adafactor Adahessian AdamP AggMo Apollo DiffGrad
        LARS Lamb Lookahead MADGRAD NovoGrad PID QHAdam QHM RAdam Ranger RangerQH RangerVA SGDP SGDW SWATS Shampoo Yogi
        """,
    ),
    "timm": _listed(
        "timm.optim",
        """
        AdaBelief Adadelta Adafactor AdafactorBigVision Adagrad Adahessian AdamP AdamWLegacy Adan Adopt LaProp Lamb Lars
        Lion Lookahead MADGRAD Mars Muon NAdamLegacy NAdamW NvNovoGrad RAdamLegacy RMSpropTF SGDP SGDW
        """,
    ),
    "torch-optimi": _listed("optimi", "Adam AdamW Adan Lion RAdam Ranger SGD StableAdamW"),
    "schedulefree": _listed(
        "schedulefree",
        """
        AdamWScheduleFree AdamWScheduleFreeClosure AdamWScheduleFreeReference RAdamScheduleFree SGDScheduleFree
        SGDScheduleFreeClosure SGDScheduleFreeReference ScheduleFreeWrapper ScheduleFreeWrapperReference
        """,
    ),
    "dadaptation": _listed("dadaptation", "DAdaptAdaGrad DAdaptAdam DAdaptAdan DAdaptLion DAdaptSGD"),
    "prodigyopt": _listed("prodigyopt", "Prodigy"),
    "lion-pytorch": _listed("lion_pytorch", "Lion"),
    "adabelief-pytorch": _listed("adabelief_pytorch", "AdaBelief"),
    "transformers": _listed("transformers.optimization", "Adafactor"),
}
