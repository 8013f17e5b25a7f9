"""Losses and activations of packages that nobody here wrote, each as its documentation has it called.

Of each package: its name on PyPI, and its subjects with what `torchstone.check` is told of them.
"""

from collections.abc import Mapping
from typing import Any

Told = Mapping[str, Any]

IMAGE = "input float[N,C,4,4]; target float[N,C,4,4] in {0,1}"
MASKS = "y_pred float[N,C,4,4]; y_true float[N,C,4,4] in {0,1}"
SHARES = "y_pred float[N,C,4,4] in [0,1]; y_true float[N,C,4,4] in {0,1}"
LABELLED = "y_pred float[N,C,4,4]; y_true int64[N,4,4] in [0,C)"
LOGITS = "x float[N,C]; target int64[N] in [0,C)"
MULTI = "x float[N,C]; y float[N,C] in {0,1}"
KORNIA = "pred float[N,C,4,4]; target int64[N,4,4] in [0,C)"
HEATMAPS = "pred float[N,C,4,4] in (0,1); target float[N,C,4,4] in (0,1)"
EMBEDDED = "embeddings float[N,d]; labels int64[N] in [0,2)"
FOCAL = "t*(1-sigmoid(x))**gamma*log(1+exp(-x)) + (1-t)*sigmoid(x)**gamma*log(1+exp(x))"
BALANCED = "alpha*t*(1-sigmoid(x))**gamma*log(1+exp(-x)) + (1-alpha)*(1-t)*sigmoid(x)**gamma*log(1+exp(x))"

SUBJECTS: Mapping[str, Mapping[str, Told]] = {
    "timm": {
        "timm.layers.activations:Swish": {},
        "timm.layers.activations:Mish": {},
        "timm.layers.activations:Sigmoid": {},
        "timm.layers.activations:Tanh": {},
        "timm.layers.activations:HardSwish": {},
        "timm.layers.activations:HardSigmoid": {},
        "timm.layers.activations:HardMish": {"formula": "x*Min(2, Max(0, x+2))/2"},
        "timm.layers.activations:PReLU": {},
        "timm.layers.activations:GELU": {},
        "timm.layers.activations:GELUTanh": {"like": "torch.nn.GELU(approximate='tanh')"},
        "timm.layers.activations:QuickGELU": {"formula": "x*sigmoid(1.702*x)"},
        "timm.layers.activations_me:SwishMe": {"like": "torch.nn.SiLU"},
        "timm.layers.activations_me:MishMe": {"like": "torch.nn.Mish"},
        "timm.layers.activations_me:HardSigmoidMe": {"like": "torch.nn.Hardsigmoid"},
        "timm.layers.activations_me:HardSwishMe": {"like": "torch.nn.Hardswish"},
        "timm.layers.activations_me:HardMishMe": {"formula": "x*Min(2, Max(0, x+2))/2"},
        "timm.loss:LabelSmoothingCrossEntropy": {"like": "torch.nn.CrossEntropyLoss(label_smoothing=0.1)"},
        "timm.loss:SoftTargetCrossEntropy": {"inputs": "x float[N,C]; target float[N,C] in simplex"},
        "timm.loss:BinaryCrossEntropy": {
            "inputs": MULTI.replace("y ", "target "),
            "like": "torch.nn.BCEWithLogitsLoss",
        },
        "timm.loss:JsdCrossEntropy": {"inputs": "output float[9,C]; target int64[9] in [0,C)"},
        "timm.loss:AsymmetricLossMultiLabel": {"inputs": MULTI},
        "timm.loss:AsymmetricLossSingleLabel": {"inputs": LOGITS.replace("x ", "inputs ")},
        "timm.loss:PolyCrossEntropy": {"inputs": LOGITS},
        "timm.loss:PolyBinaryCrossEntropy": {
            "inputs": MULTI.replace("y ", "target "),
            "formula": "t*log(1+exp(-x)) + (1-t)*log(1+exp(x)) + epsilon*(t*sigmoid(-x) + (1-t)*sigmoid(x))",
        },
        "timm.loss:TwoWayLoss": {"inputs": MULTI.replace("y ", "target ")},
        "timm.loss:ZlprLoss": {"inputs": MULTI.replace("y ", "target ")},
        "timm.loss:DistributionBalancedLoss": {
            "inputs": MULTI.replace("y ", "target "),
            "kwargs": {"class_counts": [5.0, 3.0, 2.0], "num_samples": 10},
        },
    },
    "kornia": {
        "kornia.losses:FocalLoss": {"inputs": KORNIA, "kwargs": {"alpha": 0.5}},
        "kornia.losses:BinaryFocalLossWithLogits": {
            "inputs": "pred float[N,C,4,4]; target float[N,C,4,4] in {0,1}",
            "kwargs": {"alpha": 0.25, "gamma": 2.0},
            "formula": BALANCED,
        },
        "kornia.losses:DiceLoss": {"inputs": KORNIA},
        "kornia.losses:TverskyLoss": {"inputs": KORNIA, "kwargs": {"alpha": 0.5, "beta": 0.5}},
        "kornia.losses:LovaszHingeLoss": {"inputs": "pred float[N,1,4,4]; target int64[N,4,4] in {0,1}"},
        "kornia.losses:LovaszSoftmaxLoss": {"inputs": KORNIA},
        "kornia.losses:CharbonnierLoss": {"formula": "sqrt((x-t)**2+1)-1"},
        "kornia.losses:WelschLoss": {"formula": "1-exp(-(x-t)**2/2)"},
        "kornia.losses:CauchyLoss": {"formula": "log((x-t)**2/2+1)"},
        "kornia.losses:GemanMcclureLoss": {"formula": "2*(x-t)**2/((x-t)**2+4)"},
        "kornia.losses:SSIMLoss": {
            "inputs": "img1 float[N,C,8,8] in [0,1]; img2 float[N,C,8,8] in [0,1]",
            "kwargs": {"window_size": 5},
        },
        "kornia.losses:PSNRLoss": {
            "inputs": "image float[N,C,4,4] in [0,1]; target float[N,C,4,4] in [0,1]",
            "kwargs": {"max_val": 1.0},
        },
        "kornia.losses:js_div_loss_2d": {"inputs": HEATMAPS},
        "kornia.losses:kl_div_loss_2d": {"inputs": HEATMAPS, "definition": "none"},
        "kornia.losses:HausdorffERLoss": {"inputs": "pred float[N,C,4,4] in [0,1]; target int64[N,1,4,4] in [0,C)"},
        "kornia.losses:InverseDepthSmoothnessLoss": {"inputs": "idepth float[N,1,4,4]; image float[N,3,4,4]"},
        "kornia.losses:TotalVariation": {"inputs": "img float[N,C,4,4]", "kind": "loss"},
    },
    "monai": {
        "monai.networks.blocks.activation:Swish": {},
        "monai.networks.blocks.activation:SwishImplementation": {"like": "torch.nn.SiLU"},
        "monai.networks.blocks.activation:MemoryEfficientSwish": {"like": "torch.nn.SiLU"},
        "monai.networks.blocks.activation:Mish": {},
        "monai.networks.blocks.activation:GEGLU": {"inputs": "input float[N,2*d]", "kind": "activation"},
        "monai.losses:DiceLoss": {"inputs": IMAGE, "kwargs": {"sigmoid": True}},
        "monai.losses:GeneralizedDiceLoss": {"inputs": IMAGE, "kwargs": {"sigmoid": True}},
        "monai.losses:DiceCELoss": {"inputs": IMAGE, "kwargs": {"softmax": True}},
        "monai.losses:DiceFocalLoss": {"inputs": IMAGE, "kwargs": {"sigmoid": True}},
        "monai.losses:TverskyLoss": {"inputs": IMAGE, "kwargs": {"sigmoid": True}},
        "monai.losses:FocalLoss": {"inputs": IMAGE, "formula": FOCAL},
        "monai.losses.focal_loss:FocalLoss": {
            "inputs": "input float[N,C]; target float[N,C] in {0,1}",
            "formula": FOCAL,
        },
        "monai.losses:ContrastiveLoss": {"inputs": "input float[N,d]; target float[N,d]"},
        "monai.losses:BarlowTwinsLoss": {"inputs": "input float[N,d]; target float[N,d]"},
        "monai.losses:SSIMLoss": {
            "inputs": "input float[N,C,8,8] in [0,1]; target float[N,C,8,8] in [0,1]",
            "kwargs": {"spatial_dims": 2, "win_size": 5},
        },
        "monai.losses:SoftclDiceLoss": {"inputs": IMAGE, "kwargs": {"sigmoid": True}},
        "monai.losses:HausdorffDTLoss": {"inputs": IMAGE, "kwargs": {"sigmoid": True}},
        "monai.losses:NACLLoss": {
            "inputs": "inputs float[N,C,4,4]; targets int64[N,4,4] in [0,C)",
            "kwargs": {"classes": 3, "dim": 2},
        },
        "monai.losses:MCCLoss": {"inputs": IMAGE, "kwargs": {"sigmoid": True}},
        "monai.losses:AUCMLoss": {"inputs": "input float[N,1]; target float[N,1] in {0,1}"},
        "monai.losses.unified_focal_loss:AsymmetricFocalTverskyLoss": {
            "inputs": "y_pred float[N,2,4,4] in [0,1]; y_true float[N,2,4,4] in {0,1}"
        },
        "monai.losses:GlobalMutualInformationLoss": {
            "inputs": "pred float[N,1,4,4] in [0,1]; target float[N,1,4,4] in [0,1]"
        },
        "monai.losses:LocalNormalizedCrossCorrelationLoss": {
            "inputs": "pred float[N,1,4,4] in [0,1]; target float[N,1,4,4] in [0,1]",
            "kwargs": {"spatial_dims": 2},
        },
        "monai.losses:BendingEnergyLoss": {"inputs": "pred float[N,2,6,6]", "kind": "loss"},
    },
    "segmentation-models-pytorch": {
        "segmentation_models_pytorch.losses:DiceLoss": {"inputs": MASKS, "kwargs": {"mode": "multilabel"}},
        "segmentation_models_pytorch.losses.dice:DiceLoss": {"inputs": LABELLED, "kwargs": {"mode": "multiclass"}},
        "segmentation_models_pytorch.losses:JaccardLoss": {"inputs": MASKS, "kwargs": {"mode": "multilabel"}},
        "segmentation_models_pytorch.losses:TverskyLoss": {"inputs": MASKS, "kwargs": {"mode": "multilabel"}},
        "segmentation_models_pytorch.losses:FocalLoss": {
            "inputs": "y_pred float[N,1,4,4]; y_true float[N,1,4,4] in {0,1}",
            "kwargs": {"mode": "binary", "gamma": 2.0},
            "formula": FOCAL,
        },
        "segmentation_models_pytorch.losses:LovaszLoss": {"inputs": LABELLED, "kwargs": {"mode": "multiclass"}},
        "segmentation_models_pytorch.losses:SoftBCEWithLogitsLoss": {
            "inputs": MASKS,
            "like": "torch.nn.BCEWithLogitsLoss",
        },
        "segmentation_models_pytorch.losses:SoftCrossEntropyLoss": {
            "inputs": LABELLED,
            "like": "torch.nn.CrossEntropyLoss(label_smoothing=0.1)",
            "kwargs": {"smooth_factor": 0.1},
        },
        "segmentation_models_pytorch.losses.soft_ce:SoftCrossEntropyLoss": {
            "inputs": LABELLED,
            "like": "torch.nn.CrossEntropyLoss",
        },
        "segmentation_models_pytorch.losses:MCCLoss": {
            "inputs": "y_pred float[N,1,4,4] in [0,1]; y_true float[N,1,4,4] in {0,1}"
        },
    },
    "pytorch-toolbelt": {
        "pytorch_toolbelt.modules.activations:Swish": {},
        "pytorch_toolbelt.modules.activations:Mish": {},
        "pytorch_toolbelt.modules.activations:MishNaive": {"like": "torch.nn.Mish"},
        "pytorch_toolbelt.modules.activations:HardSwish": {},
        "pytorch_toolbelt.modules.activations:HardSigmoid": {},
        "pytorch_toolbelt.losses:BinaryFocalLoss": {
            "inputs": "inputs float[N,C]; targets float[N,C] in {0,1}",
            "kwargs": {"gamma": 2.0},
            "formula": FOCAL,
        },
        "pytorch_toolbelt.losses:CrossEntropyFocalLoss": {"inputs": "inputs float[N,C]; targets int64[N] in [0,C)"},
        "pytorch_toolbelt.losses:QualityFocalLoss": {"inputs": "predictions float[N,C]; targets float[N,C] in [0,1]"},
        "pytorch_toolbelt.losses:BalancedBCEWithLogitsLoss": {
            "inputs": "output float[N,C]; target float[N,C] in {0,1}"
        },
        "pytorch_toolbelt.losses:FocalCosineLoss": {"inputs": "input float[N,C]; target int64[N] in [0,C)"},
        "pytorch_toolbelt.losses:WingLoss": {
            "formula": "Piecewise((width*log(1+Abs(x-t)/curvature), Abs(x-t)<width), "
            "(Abs(x-t)-width+width*log(1+width/curvature), True))"
        },
        "pytorch_toolbelt.losses:LogCoshLoss": {"formula": "log(cosh(x-t))"},
        "pytorch_toolbelt.losses:BiTemperedLogisticLoss": {
            "inputs": "predictions float[N,C]; targets int64[N] in [0,C)",
            "kwargs": {"t1": 0.8, "t2": 1.2},
        },
        "pytorch_toolbelt.losses:SoftF1Loss": {"inputs": "preds float[N,C]; targets int64[N] in [0,C)"},
        "pytorch_toolbelt.losses:BinarySoftF1Loss": {"inputs": "preds float[N]; targets float[N] in {0,1}"},
        "pytorch_toolbelt.losses:SoftBCEWithLogitsLoss": {
            "inputs": IMAGE,
            "like": "torch.nn.BCEWithLogitsLoss",
        },
        "pytorch_toolbelt.losses:SoftCrossEntropyLoss": {
            "inputs": "input float[N,C]; target int64[N] in [0,C)",
            "like": "torch.nn.CrossEntropyLoss",
        },
        "pytorch_toolbelt.losses:LovaszLoss": {
            "inputs": "output float[N,C,4,4] in simplex; target int64[N,4,4] in [0,C)"
        },
        "pytorch_toolbelt.losses:BinaryLovaszLoss": {"inputs": "output float[N,4,4]; target float[N,4,4] in {0,1}"},
        "pytorch_toolbelt.losses:DiceLoss": {"inputs": MASKS, "kwargs": {"mode": "multilabel"}},
        "pytorch_toolbelt.losses:JaccardLoss": {"inputs": LABELLED, "kwargs": {"mode": "multiclass"}},
    },
    "entmax": {
        "entmax:Sparsemax": {"inputs": "X float[N,C]", "kind": "activation"},
        "entmax:Entmax15": {"inputs": "X float[N,C]", "kind": "activation"},
        "entmax:SparsemaxBisect": {"inputs": "X float[N,C]", "kind": "activation"},
        "entmax:EntmaxBisect": {"inputs": "X float[N,C]", "kind": "activation"},
        "entmax.activations:sparsemax": {
            "inputs": "X float[N,C]",
            "kind": "activation",
            "kwargs": {"dim": -2, "k": 1},
        },
        "entmax:SparsemaxLoss": {"inputs": "X float[N,C]; target int64[N] in [0,C)"},
        "entmax:Entmax15Loss": {"inputs": "X float[N,C]; target int64[N] in [0,C)"},
        "entmax:EntmaxBisectLoss": {"inputs": "X float[N,C]; target int64[N] in [0,C)"},
    },
    "focal-loss-torch": {
        "focal_loss.focal_loss:FocalLoss": {
            "inputs": "x float[N,C] in simplex; target int64[N] in [0,C)",
            "kwargs": {"gamma": 2.0},
        },
    },
    "torchmetrics": {
        "torchmetrics.functional.regression:mean_squared_log_error": {
            "inputs": "preds float[N] in (0,inf); target float[N] in (0,inf)",
            "formula": "(log(1+x)-log(1+t))**2",
        },
        "torchmetrics.functional.regression:log_cosh_error": {
            "inputs": "preds float[N]; target float[N]",
            "formula": "log(cosh(x-t))",
        },
        "torchmetrics.functional.regression:kl_divergence": {
            "inputs": "p float[N,C] in simplex; q float[N,C] in simplex",
            "definition": "none",
        },
        "torchmetrics.functional.regression:jensen_shannon_divergence": {
            "inputs": "p float[N,C] in simplex; q float[N,C] in simplex"
        },
        "torchmetrics.functional.image:total_variation": {"inputs": "img float[N,C,4,4]", "kind": "loss"},
    },
    "pytorch-metric-learning": {
        f"pytorch_metric_learning.losses:{name}": {"inputs": EMBEDDED}
        for name in (
            *("ContrastiveLoss", "TripletMarginLoss", "NTXentLoss", "SupConLoss", "MultiSimilarityLoss"),
            *("CircleLoss", "LiftedStructureLoss", "AngularLoss", "NCALoss", "FastAPLoss", "TupletMarginLoss"),
        )
    },
}
